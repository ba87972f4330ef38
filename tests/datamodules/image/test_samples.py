"""Training windows and whole images, of clean and of awkward files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.image.crop import Crop
from datamodules.image.degradation import Degradation, Plan
from datamodules.image.files import ImageFiles
from datamodules.image.samples import TrainingCrops, WholeImages
from datamodules.video.draw import Draw
from records.images import UnreadableImage, read_image, to_picture, write_image
from tests.tiny_kwaisr import picture

AWKWARD = {
    "cmyk.jpg": None,
    "grey.jpg": None,
    "grey16.png": None,
    "grey_alpha.png": None,
    "odd_227x151.png": (151, 227),
    "one_pixel.png": (1, 1),
    "palette.png": None,
    "photo.webp": None,
    "png_named.jpg": None,
    "progressive.jpg": None,
    "tall_64x1024.jpg": (1024, 64),
    "tiny_16x16.png": (16, 16),
}


def image(lr: Path | None = None, hr: Path | None = None, scale: int = 4) -> ImageFiles:
    path = lr or hr
    return ImageFiles(path.name, lr, hr, "synthetic" if hr else "wild", scale, path.name)


@pytest.fixture
def pair(tmp_path):
    """A pair of which HR is LR with every pixel repeated."""
    lr = picture("pair", 30, 40)
    write_image(tmp_path / "lr.png", lr)
    write_image(tmp_path / "hr.png", lr.repeat(4, 0).repeat(4, 1))
    return image(tmp_path / "lr.png", tmp_path / "hr.png")


def test_windows_of_a_pair_are_cut_of_the_files(pair):
    crops = TrainingCrops(64, 4, seed=1)
    for epoch in range(6):
        sample = crops(pair, epoch)
        assert sample["lr"].shape == (3, 16, 16) and sample["lr"].dtype == torch.float32
        assert torch.equal(sample["hr"], sample["lr"].repeat_interleave(4, 1).repeat_interleave(4, 2))
    assert not torch.equal(crops(pair, 0)["lr"], crops(pair, 1)["lr"])
    assert torch.equal(crops(pair, 0)["lr"], TrainingCrops(64, 4, seed=1)(pair, 0)["lr"])


def test_hr_is_degraded_by_the_plan_of_seed_epoch_and_id(pair):
    degradation = Degradation("pisasr", 4)
    crops = TrainingCrops(64, 4, 1, degradation)
    sample = crops(pair, 5)
    hr = to_picture(sample["hr"])
    expected = degradation.apply(degradation.plan(1, 5, pair.id, (64, 64)), hr)
    assert np.array_equal(to_picture(sample["lr"]), expected)
    window = Crop.drawn(Draw(1, 5, pair.id, True), (120, 160), 64)
    assert np.array_equal(hr, window.cut(read_image(pair.hr)))


def test_the_device_gets_hr_and_the_plan_that_a_worker_would_follow(pair):
    degradation = Degradation("kwai", 4)
    here = TrainingCrops(64, 4, 1, degradation)(pair, 2)
    there = TrainingCrops(64, 4, 1, degradation, on_device=True)(pair, 2)
    assert torch.equal(here["hr"], there["hr"]) and not there["lr"].any()
    plan = Plan.from_record(there["plans"])
    assert np.array_equal(degradation.apply(plan, to_picture(there["hr"])), to_picture(here["lr"]))


@pytest.mark.parametrize("on_device", [False, True])
def test_pairs_can_keep_their_lr(pair, on_device):
    crops = TrainingCrops(64, 4, 1, Degradation("pisasr", 4), degrade_pairs=False, on_device=on_device)
    sample = crops(pair, 0)
    assert torch.equal(sample["lr"], TrainingCrops(64, 4, 1)(pair, 0)["lr"])
    assert sample.get("plans") is None
    own = crops(image(hr=pair.hr), 0)
    assert own["lr"].any() != on_device and bool(own.get("plans")) == on_device


def test_scale_one(tmp_path):
    write_image(tmp_path / "hr.png", picture("one", 70, 80))
    write_image(tmp_path / "lr.png", 255 - picture("one", 70, 80))
    sample = TrainingCrops(33, 1, 0)(image(tmp_path / "lr.png", tmp_path / "hr.png", 1), 0)
    assert torch.allclose(sample["lr"], 1 - sample["hr"], atol=1e-6) and sample["lr"].shape == (3, 33, 33)
    made = TrainingCrops(32, 1, 0, Degradation("pisasr", 1))(image(hr=tmp_path / "hr.png", scale=1), 0)
    assert made["lr"].shape == made["hr"].shape == (3, 32, 32)


def test_a_whole_pair_comes_untouched(pair):
    batch = WholeImages()(pair)
    assert batch["id"] == ["lr.png"] and batch["domain"] == ["synthetic"] and batch["scale"] == 4
    assert np.array_equal(to_picture(batch["lr"][0]), read_image(pair.lr))
    assert np.array_equal(to_picture(batch["hr"][0]), read_image(pair.hr))
    wild = WholeImages()(image(pair.lr))
    assert "hr" not in wild and wild["domain"] == ["wild"]


def test_hr_alone_is_degraded_in_one_way_and_cut_to_the_scale(tmp_path):
    write_image(tmp_path / "a.png", picture("a", 50, 43))
    batches = [WholeImages(Degradation("pisasr", 4))(image(hr=tmp_path / "a.png"), epoch) for epoch in (0, 7)]
    assert batches[0]["hr"].shape == (1, 3, 48, 40) and batches[0]["lr"].shape == (1, 3, 12, 10)
    assert torch.equal(batches[0]["lr"], batches[1]["lr"])
    write_image(tmp_path / "b.png", picture("b", 3, 43))
    with pytest.raises(UnreadableImage, match="43x3 pixels are too few for scale 4"):
        WholeImages(Degradation("pisasr", 4))(image(hr=tmp_path / "b.png"))


def test_a_misfit_that_the_headers_did_not_tell_is_unreadable(pair):
    write_image(pair.hr, picture("other", 119, 160))
    for render in (TrainingCrops(64, 4, 1), WholeImages()):
        with pytest.raises(UnreadableImage, match="HR is 160x119 and its LR 40x30 pixels"):
            render(pair, 0)


@pytest.mark.parametrize("name", sorted(AWKWARD))
def test_awkward_files_train_and_are_evaluated(shared_data, name):
    path, size = shared_data / "images" / "edge" / name, AWKWARD[name]
    sample = TrainingCrops(64, 4, 0, Degradation("pisasr", 4))(image(hr=path), 0)
    assert sample["hr"].shape == (3, 64, 64) and sample["lr"].shape == (3, 16, 16)
    lr = WholeImages()(image(path))["lr"]
    assert lr.dtype == torch.float32 and 0 <= lr.min() <= lr.max() <= 1
    assert size is None or lr.shape == (1, 3, *size)


def test_photos_are_turned_upright(shared_data):
    folder = shared_data / "images"
    for name in ("Landscape_1", "Landscape_6", "Portrait_1", "Portrait_8"):
        height, width = WholeImages()(image(folder / f"exif_{name}.jpg"))["lr"].shape[2:]
        assert (width > height) == name.startswith("Landscape")


@pytest.mark.parametrize("name", ["truncated.jpg", "zero_byte.png", "text_renamed.jpg"])
def test_broken_files_say_why(shared_data, name):
    path = shared_data / "images" / "edge" / name
    with pytest.raises(UnreadableImage, match=r"truncated|no picture"):
        WholeImages()(image(path))


def test_real_pairs_fit(shared_data):
    folder = shared_data / "images" / "realsr_pairs"
    name = "Canon_003_LR4.png"
    sample = TrainingCrops(256, 4, 0)(image(folder / "lr" / name, folder / "hr" / name), 0)
    shrunk = torch.nn.functional.avg_pool2d(sample["hr"], 4)
    turned = torch.nn.functional.avg_pool2d(sample["hr"].rot90(1, (1, 2)), 4)
    assert (shrunk - sample["lr"]).abs().mean() < 0.5 * (turned - sample["lr"]).abs().mean()
