"""The data module of image pairs, alone and under Lightning."""

import csv
import shutil
from pathlib import Path

import jsonargparse
import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from datamodules.image.degradation import Degradation
from datamodules.image.layout import Layout
from datamodules.kwaisr import KwaiSRDataModule
from records.errors import UserError
from records.images import write_image
from tests.tiny_kwaisr import picture, write_tiny_kwaisr

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "data"


@pytest.fixture(scope="session")
def tiny_sr(tmp_path_factory) -> Path:
    """Five training, two validation and three test pairs, two wild images each. Not to be written to."""
    return write_tiny_kwaisr(tmp_path_factory.mktemp("kwaisr"), train=5, val=2, test=3, size=64)


@pytest.fixture
def own(tiny_sr, tmp_path) -> Path:
    """The same, to be written to."""
    return Path(shutil.copytree(tiny_sr, tmp_path / "own"))


def module(root: Path, **arguments) -> KwaiSRDataModule:
    return KwaiSRDataModule(str(root), **{"crop": 32, "batch_size": 2, "num_workers": 0, "seed": 3, **arguments})


def ids(loader) -> list[str]:
    return [id for batch in loader for id in batch["id"]]


def read(data: KwaiSRDataModule, epochs: int = 2) -> list[dict]:
    data.setup("fit")
    loader = data.train_dataloader()
    batches = []
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        batches += [data.on_after_batch_transfer(batch, 0) for batch in loader]
    return batches


def same(one: dict, other: dict) -> bool:
    return one["id"] == other["id"] and all(torch.equal(one[name], other[name]) for name in ("lr", "hr"))


def test_training_batches(tiny_sr):
    batches = read(module(tiny_sr), 1)
    assert len(batches) == 3
    for batch in batches:
        assert set(batch) == {"id", "lr", "hr"} and len(batch["id"]) == 2
        assert batch["lr"].shape == (2, 3, 8, 8) and batch["hr"].shape == (2, 3, 32, 32)
        assert all(batch[name].dtype == torch.float32 and 0 <= batch[name].min() for name in ("lr", "hr"))
        # LR is a mean of blocks with a little noise, so a window that is not the same one would be far off.
        assert (torch.nn.functional.avg_pool2d(batch["hr"], 4) - batch["lr"]).abs().mean() < 0.02


def test_evaluation_batches(tiny_sr):
    data = module(tiny_sr, layout=Layout(content="(00)0."))
    data.setup("test")
    batches = list(data.test_dataloader())
    pairs, wild = batches[:3], batches[3:]
    assert [batch["id"] for batch in pairs] == [[f"test/synthetic/lr/{n:04d}.png"] for n in (1, 2, 3)]
    for batch in pairs:
        assert batch["domain"] == ["synthetic"] and batch["content"] == ["00"] and batch["scale"] == 4
        assert batch["lr"].shape == (1, 3, 16, 16) and batch["hr"].shape == (1, 3, 64, 64)
    assert [batch["id"] for batch in wild] == [["test/wild/0001.png"], ["test/wild/0002.png"]]
    assert all("hr" not in batch and batch["domain"] == ["wild"] and batch["scale"] == 1 for batch in wild)
    assert wild[0]["lr"].shape == (1, 3, 32, 37)
    only = module(tiny_sr, eval_domains=["synthetic"])
    only.setup("validate")
    assert len(ids(only.val_dataloader())) == 2


DEGRADATIONS = {
    "files": {},
    "workers": {"degradation": Degradation("kwai", 4)},
    "device": {"degradation": Degradation("pisasr", 4), "degrade_on": "device"},
}


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_samples_depend_neither_on_workers_nor_on_ranks(tiny_sr, monkeypatch, kind):
    arguments = DEGRADATIONS[kind]
    whole = read(module(tiny_sr, **arguments))
    assert len(whole) == 6 and not torch.equal(whole[0]["hr"], whole[3]["hr"])
    for one, other in zip(whole, read(module(tiny_sr, num_workers=2, **arguments)), strict=True):
        assert same(one, other)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(KwaiSRDataModule, "_world", 2)
        monkeypatch.setattr(KwaiSRDataModule, "_rank", rank)
        parts.append(read(module(tiny_sr, batch_size=1, **arguments)))
    for one, *both in zip(whole, *parts, strict=True):
        assert one["id"] == [id for part in both for id in part["id"]]
        assert torch.equal(one["hr"], torch.cat([part["hr"] for part in both]))
        torch.testing.assert_close(one["lr"], torch.cat([part["lr"] for part in both]), rtol=0, atol=1e-6)


def test_degraded_batches_hold_other_lr_every_time(tiny_sr):
    files, degraded = (read(module(tiny_sr, **DEGRADATIONS[kind])) for kind in ("files", "workers"))
    for one, other in zip(files, degraded, strict=True):
        assert one["id"] == other["id"] and one["lr"].shape == other["lr"].shape
        assert not torch.equal(one["lr"], other["lr"])


def test_own_folders_join_training(tiny_sr, tmp_path):
    for name, size in (("a", (40, 50)), ("b", (20, 90))):  # the second is smaller than the window
        write_image(tmp_path / "photos" / f"{name}.png", picture(name, *size))
    for more in ({}, {"degrade_pairs": False}, {"degrade_pairs": False, "degrade_on": "device"}):
        arguments = {"degradation": Degradation("pisasr", 4), "hr_folders": [str(tmp_path / "photos")], "batch_size": 7}
        (batch,) = read(module(tiny_sr, **arguments, **more), 1)
        pairs = [f"train/synthetic/lr/{n:04d}.png" for n in range(1, 6)]
        assert sorted(batch["id"]) == ["photos/a.png", "photos/b.png", *pairs]
        assert batch["lr"].flatten(1).std(1).min() > 0.01  # none was left undone


def test_own_folders_never_hold_held_out_images_nor_pairs_twice(tiny_sr):
    arguments = {"degradation": Degradation("pisasr", 4), "hr_folders": [str(tiny_sr / "train" / "synthetic" / "hr")]}
    data = module(tiny_sr, **arguments)
    data.setup("fit")
    assert len(data.images("train")) == 5
    with pytest.raises(UserError, match=r"hr_folders: 3 of the images are held out .* test/synthetic/hr/0001\.png"):
        module(tiny_sr, **arguments | {"hr_folders": [str(tiny_sr / "test" / "synthetic" / "hr")]}).setup("fit")


def test_hr_alone_makes_splits(tmp_path):
    for split in ("train", "val"):
        for name in "ab":
            write_image(tmp_path / split / "hr" / f"{name}.png", picture(f"{split} {name}", 40, 42))
    arguments = {"layout": Layout("{split}/lr", "{split}/hr"), "degradation": Degradation("pisasr", 4)}
    data = module(tmp_path, **arguments)
    data.setup("fit")
    assert next(iter(data.train_dataloader()))["lr"].shape == (2, 3, 8, 8)
    first, again = list(data.val_dataloader()), list(module(tmp_path, **arguments, seed=9).val_dataloader())
    assert [batch["hr"].shape[2:] for batch in first] == [(40, 40), (40, 40)]
    assert all(torch.equal(one["lr"], other["lr"]) for one, other in zip(first, again, strict=True))
    with pytest.raises(
        UserError, match=r"2 train images have no LR, for example train/hr/a\.png; put LR .*degradation"
    ):
        module(tmp_path, layout=arguments["layout"]).setup("fit")


def test_what_is_predicted(tiny_sr, tmp_path):
    def predicted(**arguments):
        data = module(tiny_sr, **arguments)
        data.setup("predict")
        return [(batch["id"][0], batch["scale"]) for batch in data.predict_dataloader()]

    assert len(predicted()) == 5 and len(predicted(predict_split="all")) == 16
    assert predicted(predict_split="val", predict_domains=["wild"]) == [(f"val/wild/000{n}.png", 1) for n in (1, 2)]
    shutil.copy(tiny_sr / "val" / "wild" / "0001.png", tmp_path / "shot.png")
    assert predicted(predict_paths=[str(tmp_path)]) == [("shot.png", 1)]
    assert predicted(predict_paths=[str(tmp_path)], predict_domains=["synthetic"]) == [("shot.png", 4)]
    data = module(tiny_sr)
    data.setup("predict")
    data.leave_out({f"test/synthetic/lr/{n:04d}.png" for n in (1, 2, 3)})
    assert ids(data.predict_dataloader()) == ["test/wild/0001.png", "test/wild/0002.png"]


def test_each_image_is_evaluated_on_one_rank_and_an_empty_rank_gets_an_empty_batch(tiny_sr, monkeypatch):
    seen = []
    for rank in range(3):
        monkeypatch.setattr(KwaiSRDataModule, "_world", 3)
        monkeypatch.setattr(KwaiSRDataModule, "_rank", rank)
        data = module(tiny_sr)
        data.setup("test")
        seen.append(ids(data.test_dataloader()))
        data.setup("predict")
        data.leave_out({"test/wild/0001.png", "test/wild/0002.png", "test/synthetic/lr/0003.png"})
        batches = list(data.predict_dataloader())
        assert batches == [{"id": []}] if rank == 2 else len(batches[0]["id"]) == 1
    assert [len(part) for part in seen] == [2, 2, 1] and len({id for part in seen for id in part}) == 5


def test_run_seed_decides_and_seed_everything_stands_in(tiny_sr, monkeypatch):
    def order(seed):
        return list(module(tiny_sr, seed=seed).train_dataloader().sampler)

    monkeypatch.setenv("PL_GLOBAL_SEED", "11")
    assert order(None) == order(11) != order(12)


def test_the_hash_follows_images_sizes_and_splits_only(own):
    before = module(own).split_hash
    assert module(own, seed=9, batch_size=1, crop=64, degradation=Degradation("kwai", 4)).split_hash == before
    lr = own / "val" / "synthetic" / "lr" / "0001.png"
    write_image(lr, picture("other", 16, 16))
    assert module(own).split_hash == before
    write_image(lr, picture("other", 16, 17))
    larger = module(own).split_hash
    write_image(lr, picture("other", 16, 16))
    for folder in ("lr", "hr"):
        (own / "val" / "synthetic" / folder / "0001.png").rename(own / "test" / "synthetic" / folder / "9.png")
    assert len({before, larger, module(own).split_hash}) == 3


@pytest.mark.parametrize(
    "arguments, told",
    [
        ({"scale": 0}, r"init_args\.scale: 0 is out of range"),
        ({"crop": 30}, r"init_args\.crop: 30 is no multiple of scale 4; give 32"),
        ({"batch_size": 0}, "batch_size: 0 is out of range"),
        ({"epoch_size": 0}, "epoch_size: 0 is out of range"),
        ({"unreadable_share": 2}, "unreadable_share: 2 is out of range"),
        (
            {"degradation": Degradation("kwai", 2)},
            r"init_args\.scale: 2 is not the data's scale, 4; give both",
        ),
        ({"layout": Layout(lr="lr")}, r"layout\.lr: 'lr' is the same for all splits"),
        ({"scale": 2}, r"0001\.png: HR is 64x64 and its LR 16x16 pixels, not 1/2 of it \(and so are 4 more pairs\)"),
        (
            {"layout": Layout("{split}/x", "{split}/y")},
            r"no train images in .*/train/x, .*/train/y, .*look at",
        ),
        (
            {"layout": Layout(hr="{split}/y")},
            r"5 of 5 train images have no HR, .* train/synthetic/lr/0001\.png",
        ),
        ({"hr_folders": ["nowhere"]}, "hr_folders: nowhere: no such folder"),
        ({"hr_folders": [str(CONFIGS)]}, "no image in it"),
    ],
)
def test_what_cannot_work_is_told_before_the_first_batch(tiny_sr, arguments, told):
    with pytest.raises(UserError, match=told):
        module(tiny_sr, **arguments).setup("fit")


def test_roots_and_splits_that_hold_nothing(tiny_sr, own, tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no such folder; look at data\.init_args\.root"):
        module(tmp_path / "nowhere").setup("fit")
    shutil.rmtree(own / "test")
    with pytest.raises(UserError, match=r"no test images in .*/test/synthetic/lr, .*/test/synthetic/hr, .*/test/wild"):
        module(own).setup("test")
    shutil.rmtree(own / "val" / "synthetic")
    with pytest.raises(UserError, match=r"2 of 2 val images have no HR, for example val/wild/0001\.png"):
        module(own).setup("fit")
    module(own, predict_split="val").setup("predict")


def test_more_ranks_than_images_are_refused(tiny_sr, monkeypatch):
    monkeypatch.setattr(KwaiSRDataModule, "_world", 6)
    with pytest.raises(UserError, match=r"trainer\.devices: 5 test images are too few for 6 ranks; use at most 5"):
        module(tiny_sr).setup("test")


def test_unreadable_images_are_replaced_in_training_and_passed_over_in_evaluation(own):
    for split, kind in (("train", "hr"), ("val", "lr")):
        (own / split / "synthetic" / kind / "0001.png").write_bytes(b"")
    data = module(own)
    batches = read(data, 3)
    assert all(len(batch["id"]) == 2 for batch in batches)
    assert not any(id.endswith("lr/0001.png") for batch in batches for id in batch["id"])
    assert data.unreadable("train") == {"train/synthetic/lr/0001.png"}
    assert all(same(one, other) for one, other in zip(batches, read(module(own, num_workers=2), 3), strict=True))
    batches = list(data.val_dataloader())
    assert batches[0] == {"id": []} and [len(batch["id"]) for batch in batches] == [0, 1, 1, 1]
    with pytest.raises(UserError, match=r"lr/0001\.png: no picture .*; mend or remove the file, or set .*substitute"):
        read(module(own, on_unreadable="fail"), 3)


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_unreadable_images_end_the_run(own, workers):
    for name in ("0001", "0002"):
        (own / "train" / "synthetic" / "lr" / f"{name}.png").write_bytes(b"")
    told = "2 of 5 train images cannot be read, and 1 are put up with; mend the files listed there, or raise"
    with pytest.raises(UserError, match=told):
        read(module(own, num_workers=workers))
    read(module(own, num_workers=workers, unreadable_share=0.4))


@pytest.mark.parametrize("file", sorted(path.name for path in CONFIGS.glob("*.yaml") if "KwaiSR" in path.read_text()))
def test_config_fragments_build_the_module(file):
    jsonargparse.set_parsing_settings(omegaconf_absolute_to_relative_paths=True)  # as train.py does
    parser = jsonargparse.ArgumentParser(exit_on_error=False, parser_mode="omegaconf+")
    parser.add_subclass_arguments(L.LightningDataModule, "data")
    data = parser.instantiate(parser.parse_string((CONFIGS / file).read_text())).data
    assert isinstance(data, KwaiSRDataModule)
    assert data.degradation is None or data.degradation.scale == data.scale == 4


class Recorder(L.LightningModule):
    """Notes what every batch held."""

    def __init__(self, stop_before=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.stop_before, self.seen, self.validated = stop_before, [], []

    def training_step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == self.stop_before:
            raise KeyboardInterrupt
        assert set(batch) == {"id", "lr", "hr"}
        self.seen.append((*batch["id"], *(round(float(batch[name].double().sum()), 6) for name in ("lr", "hr"))))
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        self.validated += batch["id"]

    def configure_optimizers(self):
        assert self.trainer.estimated_stepping_batches > 0
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data, folder, stop=None, resume=False) -> Recorder:
    model = Recorder(stop)
    trainer = L.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ModelCheckpoint(folder, "last", save_on_exception=True, enable_version_counter=False)],
        max_epochs=2,
        num_sanity_val_steps=0,
    )
    try:
        trainer.fit(model, data, ckpt_path=folder / "last.ckpt" if resume else None)
    except (KeyboardInterrupt, SystemExit):
        assert stop
    return model


@pytest.mark.parametrize("kind, workers", [("files", 2), ("device", 0)])
def test_a_fit_stopped_in_an_epoch_goes_on_with_the_very_samples(tiny_sr, tmp_path, kind, workers):
    arguments = DEGRADATIONS[kind] | {"num_workers": workers}
    whole = fit(module(tiny_sr, **arguments), tmp_path / "whole").seen
    assert len(whole) == 6
    before = fit(module(tiny_sr, **arguments), tmp_path / "cut", (1, 1)).seen
    after = fit(module(tiny_sr, **arguments), tmp_path / "cut", resume=True).seen
    assert len(before) == 4 and before + after == whole


def test_a_run_folder_lists_what_could_not_be_read(own, tmp_path):
    (own / "val" / "synthetic" / "hr" / "0002.png").write_bytes(b"no image")
    model = fit(module(own), tmp_path)
    assert len(model.validated) == 2 * 3
    with open(tmp_path / "quarantine.csv", newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["split"]) == ("val/synthetic/lr/0002.png", "val") and row["reason"].startswith("no picture")


def test_nothing_random_is_taken_from_the_process(tiny_sr):
    state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    data = module(tiny_sr, degradation=Degradation("kwai", 4))
    data.setup("fit")
    list(data.train_dataloader().dataset[0, place] for place in range(5))
    list(data.train_dataloader().sampler)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
