import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from datamodules.image.degradation import Degradation, Plan
from datamodules.image.layout import Layout
from datamodules.kwaisr import KwaiSRDataModule
from experiments.__main__ import main
from experiments.mini_kwaisr import build as building
from experiments.mini_kwaisr import sources
from experiments.mini_kwaisr.card import summary
from experiments.mini_kwaisr.crops import LEAST_DETAIL, MOST_SHARED, Box, all_boxes, best_boxes
from metrics.sr.full_reference import Convention, psnr
from models.sr.resample import upsample
from records.errors import UserError
from records.images import read_image, to_picture, to_tensor
from records.labels import SPLITS
from tests.command import environment

ROOT = Path(__file__).resolve().parents[2]
MISSING = [name for name in ("skimage", "sklearn", "skvideo", "matplotlib") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def command(root: Path, *words: str) -> int:
    return main(["prepare", "mini-kwaisr", "--root", str(root), *words])


def files(root: Path) -> dict[str, bytes]:
    # What a killed writer left is swept once it is a minute old.
    found = [path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix != ".tmp"]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


# The choice of windows


def test_windows_keep_off_flat_ground_and_share_little() -> None:
    picture = np.full((300, 500, 3), 90, np.uint8)
    picture[:, 250:] = noise(300, 250)
    boxes = best_boxes(picture, (96, 96), 4)
    assert len(boxes) == 4
    assert all(box.left + box.width > 250 for box in boxes)
    assert all(a.shared(b) <= MOST_SHARED for a in boxes for b in boxes if a is not b)
    assert all(box.cut(picture).shape == (96, 96, 3) for box in boxes)


def test_two_windows_are_found_where_the_best_one_stands_in_the_middle() -> None:
    picture = noise(128, 240) // 8
    picture[:, 56:184] = noise(128, 128)
    assert [box.left for box in best_boxes(picture, (128, 128), 2)] != [56]
    assert len(best_boxes(picture, (128, 128), 2)) == 2


def test_flat_and_small_pictures_give_one_window() -> None:
    flat = np.zeros((50, 70, 3), np.uint8)
    assert best_boxes(flat, (256, 256), 4) == all_boxes(flat, 320, 240) == [Box(0, 0, 48, 68)]


def test_training_windows_span_the_picture() -> None:
    boxes = all_boxes(noise(500, 741), 320, 240)
    assert {box.top for box in boxes} == {0, 180} and {box.left for box in boxes} == {0, 210, 421}
    sky = noise(500, 741)
    sky[:250] = 200
    sky[:, 700:] = 200
    assert len(all_boxes(sky, 240, 240)) < len(boxes) + 6
    assert all(box.top > 0 for box in all_boxes(sky, 240, 240))
    assert LEAST_DETAIL > 0


# The sources


def test_splits_share_no_photograph_and_no_clip() -> None:
    sides: dict[str, set[str]] = {}
    for split in SPLITS:
        for medium in (*sources.PHOTOGRAPHS[split], *(clip.medium for clip in sources.CLIPS[split])):
            sides.setdefault(medium.source, set()).add(split)
    assert all(len(splits) == 1 for splits in sides.values()), sides
    distinct = {split: {medium.source for medium in sources.PHOTOGRAPHS[split]} for split in SPLITS}
    assert len(distinct["test"]) >= 4 and len(distinct["val"]) >= 3
    assert all(medium in sources.PHOTOGRAPHS["train"] for medium in sources.OPTIONAL)


def test_photographs_are_in_colour_and_the_largest_train() -> None:
    pixels: dict[str, int] = {}
    for split, media in sources.choose_photographs().items():
        pictures = [read_image(medium.path) for medium in media]
        assert all(np.ptp(picture.astype(int), axis=2).mean() > 5 for picture in pictures)
        pixels[split] = sum(picture.shape[0] * picture.shape[1] for picture in pictures)
    assert pixels["train"] > 1.5 * max(pixels["val"], pixels["test"])


def test_optional_package_may_be_absent_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sources.packaged_file

    def without(gone: str) -> None:
        def find(package: str, file: str) -> Path:
            if package == gone:
                raise UserError(f"package {package} is not installed")
            return real(package, file)

        monkeypatch.setattr(sources, "packaged_file", find)

    without("imgaug")
    assert sources.QUOKKA not in sources.choose_photographs()["train"]
    without("scikit-learn")
    with pytest.raises(UserError, match="scikit-learn is not installed"):
        sources.choose_photographs()


# The build, of little and in this process


@pytest.fixture
def little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of one small photograph each to train on and to test with, and one clip."""
    chosen = {"train": [sources.MEDIA["chelsea"]], "val": [], "test": [sources.MEDIA["coffee"]]}
    clips = {"train": (), "val": (), "test": (sources.WildClip(sources.CARPHONE, (1, 3)),)}

    def each(function: Any, tasks: Any, jobs: int, died: Any) -> Iterator[Any]:
        return (function(*task) for task in tasks)

    monkeypatch.setattr(building, "choose_photographs", lambda limit: chosen)
    monkeypatch.setattr(building, "CLIPS", clips)
    monkeypatch.setattr(building, "each", each)
    root = tmp_path / "set"
    assert command(root) == 0
    return root


def test_build_writes_pairs_frames_manifest_and_card(little: Path) -> None:
    manifest = json.loads((little / "manifest.json").read_text())
    assert summary(manifest).splitlines()[2] == "test: 3 pairs of coffee; 2 wild frames"
    assert {path.name for path in little.iterdir()} == {"train", "test", "recipe.json", "manifest.json", "README.md"}
    whole = read_image(sources.MEDIA["chelsea"].path)
    assert np.array_equal(read_image(little / "train/hr/chelsea.png"), whole)
    for id, pair in manifest["pairs"].items():
        assert pair["hr"] == id.replace("/lr/", "/hr/")
        lr, hr = read_image(little / id), read_image(little / pair["hr"])
        assert hr.shape == (4 * lr.shape[0], 4 * lr.shape[1], 3)
        picture = read_image(sources.MEDIA[pair["name"]].path)
        assert np.array_equal(hr, Box(**pair["box"]).cut(picture))
        # Degraded, yet of the same window.
        small = hr.reshape(lr.shape[0], 4, lr.shape[1], 4, 3).mean((1, 3))
        assert 1 < np.abs(small - lr).mean() < 30
        assert np.corrcoef(small.mean(2).ravel(), lr.mean(2).ravel())[0, 1] > 0.8
        assert pair["degradation"] and pair["licence"] and pair["package"]
    wild = {id: read_image(little / id).shape for id in manifest["wild"]}
    assert wild == {f"test/wild/carphone-00{frame}-1.png": (144, 176, 3) for frame in (1, 3)}
    listed = {*manifest["pairs"], *manifest["whole"], *manifest["wild"]}
    listed |= {pair["hr"] for pair in manifest["pairs"].values()}
    assert {name for name in files(little) if name.endswith(".png")} == listed
    figures = manifest["bicubic"]["test"]
    assert figures["psnr"] == pytest.approx(figures["psnr_of_photograph"]["coffee"])
    assert figures["psnr_interval"] is None and "val" not in manifest["bicubic"]
    card = (little / "README.md").read_text()
    for words in (
        f"test: PSNR {figures['psnr']:.2f} dB",
        "never a KwaiSR result",
        "R. Michetti",
        "| coffee | scikit-image |",
        "BSD-3-Clause",
    ):
        assert words in card


def test_recorded_degradation_rebuilds_the_lr(little: Path) -> None:
    manifest = json.loads((little / "manifest.json").read_text())
    id, pair = next(iter(manifest["pairs"].items()))
    degradation = Degradation(preset="kwai", scale=4)
    again = degradation.apply(Plan.from_record(pair["degradation"]), read_image(little / pair["hr"]))
    assert np.array_equal(again, read_image(little / id))


def test_finished_set_is_left_alone_and_a_lost_file_made_again(
    little: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in little.rglob("*") if path.is_file()}
    assert command(little) == 0
    assert "is complete; nothing to do" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in little.rglob("*") if path.is_file()}
    was = files(little)
    for lost in ("test/synthetic/hr/coffee-02.png", "test/synthetic/lr/coffee-01.png", "README.md"):
        (little / lost).unlink()
    assert command(little) == 0
    assert files(little) == was


def test_another_seed_is_refused_and_gives_another_set(
    little: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(little, "--seed", "1") == 2
    assert "seed 0 instead of 1" in capsys.readouterr().err
    assert command(tmp_path / "other", "--seed", "1") == 0
    first, second = files(little), files(tmp_path / "other")
    assert first.keys() == second.keys()
    changed = {name for name in first if name.endswith(".png") and first[name] != second[name]}
    assert changed == {name for name in first if "/lr/" in name}


def test_failure_names_the_photograph(little: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    from experiments.mini_kwaisr import pictures

    def full(path: Path, picture: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "write_image", full)
    assert command(tmp_path / "full") == 2
    assert "chelsea: [Errno 28] No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "full" / "manifest.json").exists()


# The build as it is, in processes


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kwaisr") / "set"
    assert command(root, "--photos", "1") == 0
    return root


@pytest.mark.slow
def test_bicubic_reaches_a_sane_psnr_and_pairs_are_aligned(quick: Path) -> None:
    manifest = json.loads((quick / "manifest.json").read_text())
    for split in ("val", "test"):
        assert 18 < manifest["bicubic"][split]["psnr"] < 32
        assert 0.4 < manifest["bicubic"][split]["ssim"] < 0.9
    shifts = list(itertools.product((-4, -2, 0, 2, 4), repeat=2))
    by_shift: dict[tuple[int, int], list[float]] = {shift: [] for shift in shifts}
    for id, pair in manifest["pairs"].items():
        large = to_picture(upsample(to_tensor(read_image(quick / id))[None], 4)[0])
        hr = read_image(quick / pair["hr"])
        assert 14 < psnr(large, hr) < 40, id
        for shift in shifts:
            by_shift[shift].append(psnr(np.roll(large, shift, (0, 1)), hr, Convention("y", 8)))
    assert max(shifts, key=lambda shift: fmean(by_shift[shift])) == (0, 0)


@pytest.mark.slow
def test_its_configuration_reads_it(quick: Path) -> None:
    import yaml

    config = yaml.safe_load((ROOT / "configs/data/mini_kwaisr.yaml").read_text())["data"]["init_args"]
    assert config["root"] == "data/mini-kwaisr" and config["hr_folders"] == ["${data.init_args.root}/train/hr"]
    assert config.pop("degradation")["init_args"] == {"preset": "kwai", "scale": 4}
    config |= {"root": str(quick), "hr_folders": [str(quick / "train/hr")], "num_workers": 0, "seed": 0}
    data = KwaiSRDataModule(**{**config, "layout": Layout(**config["layout"]), "degradation": Degradation("kwai", 4)})
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["hr"].shape == (8, 3, 128, 128) and batch["lr"].shape == (8, 3, 32, 32)
    shown = [(row["domain"][0], row["content"][0], row["scale"], "hr" in row) for row in data.val_dataloader()]
    assert set(shown) == {("synthetic", "flower", 4, True), ("wild", "city", 1, False)}
    assert {image.content for image in data.images("train") if image.lr} == {"abbey"}


@pytest.mark.slow
def test_finished_set_needs_no_torch(quick: Path) -> None:
    words = ["prepare", "mini-kwaisr", "--root", str(quick), "--photos", "1"]
    code = (
        f"import sys; from experiments.__main__ import main; sys.exit(main({words!r}) or ('torch' in sys.modules) * 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment()).returncode == 0


@pytest.mark.slow
def test_killed_build_goes_on_and_ends_as_an_undisturbed_one(quick: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    words = [sys.executable, "-m", "experiments", "prepare", "mini-kwaisr", "--root", str(root), "--photos", "1"]
    process = subprocess.Popen(words, cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(root.rglob("*.png"))) < 5:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (root / "manifest.json").exists()
    for path in root.rglob("[!.]*.png"):
        read_image(path)
    assert subprocess.run([*words, "--jobs", "1"], cwd=ROOT, env=environment()).returncode == 0
    assert files(root) == files(quick)
