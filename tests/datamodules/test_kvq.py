"""The data module on real label files and on tiny videos."""

import os
import shutil
from pathlib import Path

import jsonargparse
import lightning as L
import pytest
import torch
import yaml

from datamodules.kvq import KVQDataModule
from datamodules.label_set import SealedLabels
from datamodules.loader import LateLoader
from datamodules.video.samplers import Uniform
from datamodules.video.unreadable import UnreadableVideo
from datamodules.video.views.key_frames import KeyFrames
from records.errors import UserError
from tests.tiny_kvq import make_tiny_kvq, write_rows

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "data"


def copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target / "copy"))


def ids(loader) -> list[str]:
    return [id for batch in loader for id in batch["id"]]


def test_real_kvq_lists(shared_data, tmp_path, module):
    shutil.copy(shared_data / "labels" / "kvq_train.csv", tmp_path / "train_data.csv")
    shutil.copy(shared_data / "labels" / "kvq_test_unlabelled.csv", tmp_path / "test_data.csv")
    data = module(tmp_path)
    sizes = {split: len(data.labels(split)) for split in ("train", "val", "test", "predict")}
    assert sizes == {"train": 2338, "val": 588, "test": 854, "predict": 854}
    assert len({label.content for label in data.labels("train")}) == 334
    assert len({label.content for label in data.labels("test")}) == 122
    mean, sd = data.label_stats()
    assert 3.1 < mean < 3.3 and 0.5 < sd < 0.6
    assert all(label.score is None for label in data.labels("test"))


def test_real_list_of_another_set(shared_data, tmp_path, module):
    shutil.copy(shared_data / "labels" / "konvid_1k.txt", tmp_path)
    data = module(tmp_path, labels="konvid_1k.txt", fold=2)
    assert len(data.labels("train")) == 960 and len(data.labels("val")) == 240


def test_batches_have_the_promised_form(tiny, module):
    data = module(tiny, batch_size=14)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["views"]["frames"].shape == (14, *data.shapes["frames"])
    assert batch["views"]["frames"].dtype == torch.uint8
    assert batch["mos"].shape == (14,) and batch["mos"].dtype == torch.float32
    assert all(isinstance(batch[name], list) and len(batch[name]) == 14 for name in ("id", "origin", "content"))


def test_batches_do_not_depend_on_the_number_of_workers(tiny, module):
    def read(workers):
        data = module(tiny, num_workers=workers, seed=3)
        data.setup("fit")
        loader = data.train_dataloader()
        batches = []
        for epoch in range(2):  # workers outlive the first epoch
            loader.sampler.set_epoch(epoch)
            batches += list(loader)
        return batches

    alone, shared = read(0), read(2)
    assert len(alone) == len(shared) == 8
    assert alone[0]["id"] != alone[4]["id"]
    for one, other in zip(alone, shared, strict=True):
        assert one["id"] == other["id"]
        assert torch.equal(one["views"]["frames"], other["views"]["frames"])


def test_augmentation_changes_from_epoch_to_epoch_in_workers_that_stay(tiny, module):
    data = module(tiny, num_workers=1)
    data.setup("fit")
    loader = data.train_dataloader()
    seen = []
    for epoch in range(4):
        loader.sampler.set_epoch(epoch)
        seen.append(
            {id: view for batch in loader for id, view in zip(batch["id"], batch["views"]["frames"], strict=True)}
        )
    assert any(not torch.equal(seen[0][id], seen[epoch][id]) for epoch in (1, 2, 3) for id in seen[0])


def test_ladders_reach_the_batches(tiny, module):
    data = module(tiny, batch_size=14, ladders_per_batch=2, ladder_probability=1.0)
    data.setup("fit")
    assert all(len(set(batch["content"])) == 2 for batch in data.train_dataloader())


def test_run_seed_decides_order_and_seed_everything_stands_in(tiny, module, monkeypatch):
    def order(**arguments):
        return list(module(tiny, **arguments).train_dataloader().sampler)

    monkeypatch.setenv("PL_GLOBAL_SEED", "11")
    assert order() == order(seed=11) != order(seed=12)


def test_test_labels_are_sealed_during_a_fit(tiny, module):
    data = module(tiny)
    open_hash = data.split_hash
    data.setup("fit")
    for forbidden in (data.labels, data.pairs):
        with pytest.raises(SealedLabels):
            forbidden("test")
    assert data.split_hash == open_hash
    with pytest.raises(SealedLabels):
        data.test_dataloader()
    data.teardown("fit")
    data.setup("test")
    assert torch.cat([batch["mos"] for batch in data.test_dataloader()]).isfinite().all()


def test_a_sealed_test_list_is_predicted_without_scores(tmp_path, module):
    data = module(make_tiny_kvq(tmp_path, 2, test=1, test_scores=False))
    data.setup("test")
    batches = list(data.test_dataloader())
    assert sum(len(batch["id"]) for batch in batches) == 7
    assert all(batch["mos"].isnan().all() and set(batch["origin"]) == {""} for batch in batches)
    data.setup("predict")
    assert len(ids(data.predict_dataloader())) == 7


def test_predicting_folders_and_files(tiny, tmp_path, module):
    outside = tmp_path / "clip.mp4"
    shutil.copy(tiny / "val" / "0001.mp4", outside)
    data = module(tiny, predict_paths=[str(tiny / "test"), str(outside)])
    data.setup("predict")
    found = ids(data.predict_dataloader())
    assert found == [*(f"test/{n:04d}.mp4" for n in range(1, 8)), outside.as_posix()]
    assert [label.id for label in data.labels("predict")] == found


def test_pairs_are_those_within_the_split(tiny, tmp_path, module):
    root = copy(tiny, tmp_path)
    rows = [("source", "val/0001.mp4", "val/0002.mp4", 1), ("nonsource", "val/0001.mp4", "train/0001.mp4", 2)]
    write_rows(root / "pairs.csv", ["kind", "video1", "video2", "rank"], rows)
    data = module(root)
    assert [pair.second for pair in data.pairs("val")] == ["val/0002.mp4"]
    assert data.pairs("test") == []
    write_rows(root / "val_pairs.csv", ["kind", "video1", "video2", "rank"], [("source", "0001.mp4", "0002.mp4", 1)])
    with pytest.raises(UserError, match=r"names 0001\.mp4, which no label file lists"):
        module(root).pairs("val")


def test_a_folds_file_in_the_root_is_used(tiny, tmp_path, module):
    root = copy(tiny, tmp_path)
    rows = [(f"train/{n:04d}.mp4", 0 if n <= 14 else 1) for n in range(1, 29)]
    rows += [(f"{split}/{n:04d}.mp4", 2) for split in ("val", "test") for n in range(1, 8)]
    write_rows(root / "folds.csv", ["filename", "fold"], rows)
    data = module(root, fold=0)
    assert {label.content for label in data.labels("val")} == {"train/0", "train/1"}
    assert len(data.labels("train")) == 28 and len(data.labels("test")) == 14


def test_own_videos_from_one_table(tiny, tmp_path, module):
    root = copy(tiny, tmp_path)
    for file in ("train.csv", "val.csv", "test.csv"):
        (root / file).unlink()
    rows = [(f"train/{n:04d}.mp4", 60 + n, f"event {n % 10}") for n in range(1, 29)]
    write_rows(root / "labels.csv", ["filename", "score", "group"], rows)
    data = module(root)
    data.setup("fit")
    assert len({label.content for label in data.labels("val")}) == 2
    assert {label.content for label in data.labels("val")}.isdisjoint(label.content for label in data.labels("train"))
    assert 60 < data.label_stats()[0] < 90


def test_workers_take_one_thread_and_leave_the_group_that_signals_address(tiny, module):
    class Probe(torch.utils.data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, place):
            return torch.get_num_threads(), os.getpgrp()

    loader = module(tiny, num_workers=1).val_dataloader()
    probe = LateLoader(Probe(), num_workers=1, worker_init_fn=loader.worker_init_fn)
    ((threads, group),) = probe
    assert threads.item() == 1
    assert group.item() != os.getpgrp()


def test_hash_changes_with_scores_and_splits_only(tiny, tmp_path, module):
    root = copy(tiny, tmp_path)
    before = module(root).split_hash
    assert module(root, seed=4, batch_size=3).split_hash == before
    assert module(root, fold=1, folds=4).split_hash != before
    text = (root / "val.csv").read_text()
    (root / "val.csv").write_text(text.replace("4.4", "4.3", 1))
    assert module(root).split_hash != before


@pytest.mark.parametrize(
    "arguments, told",
    [
        ({"batch_size": 0}, "batch_size: 0 is out of range"),
        ({"val_share": 1.5}, "val_share: 1.5 is out of range; give 0 to 1"),
        ({"num_workers": -1}, "num_workers"),
        ({"batch_size": 29}, "28 training clips do not fill a batch of 29.*give at most 28"),
        ({"batch_size": 20, "ladders_per_batch": 3}, "3 contents of up to 7 clips.*give at most 2, or batch_size: 21"),
        ({"labels": "nowhere.csv"}, "nowhere.csv: no such file"),
        ({"labels": {"train": "train.csv", "val": "train.csv"}}, r"train/0001\.mp4 stands in train too"),
        ({"labels": {"train": "train.csv", "val": "val.csv", "test": "val.csv"}}, "stands in val too"),
        ({"fold": 0, "folds": 2, "folds_file": "train.csv"}, "does not start with the header filename,fold"),
    ],
)
def test_settings_that_cannot_work_are_told_before_the_first_clip(tiny, module, arguments, told):
    with pytest.raises(UserError, match=told):
        module(tiny, **arguments).setup("fit")


def test_roots_that_hold_nothing_are_told(tiny, tmp_path, module):
    with pytest.raises(UserError, match=r"no such folder.*prepare mini-kvq"):
        module(tmp_path / "nowhere").setup("fit")
    with pytest.raises(UserError, match=r"no label file; looked for labels\.csv.*check-data"):
        module(tmp_path).setup("fit")
    shutil.copy(tiny / "train.csv", tmp_path)
    with pytest.raises(UserError, match=r"none of the \d+ train clips is there.*check-data"):
        module(tmp_path).setup("fit")
    with pytest.raises(UserError, match="no test clips; there are train"):
        module(tmp_path).setup("test")


def test_several_ranks_get_equal_training_and_whole_evaluation(tiny, module, monkeypatch):
    seen = {"train": [], "val": []}
    for rank in range(2):
        data = module(tiny, batch_size=5)
        monkeypatch.setattr(KVQDataModule, "_world", 2)
        monkeypatch.setattr(KVQDataModule, "_rank", rank)
        data.setup("fit")
        seen["train"].append([place for _, place in data.train_dataloader().sampler])
        seen["val"].append(ids(data.val_dataloader()))
    assert [len(order) for order in seen["train"]] == [10, 10]
    assert not set(seen["train"][0]) & set(seen["train"][1])
    assert [len(order) for order in seen["val"]] == [4, 3]
    assert not set(seen["val"][0]) & set(seen["val"][1])


@pytest.mark.parametrize(
    "arguments, world, stage, told",
    [
        ({"on_unreadable": "skip"}, 2, "fit", "skip makes batches of unequal size"),
        ({"batch_size": 4}, 8, "fit", "do not fill a batch of 4 on each of 8.*give at most 3"),
        ({}, 8, "validate", "7 val clips are too few for 8 ranks; use at most 7"),
    ],
)
def test_ranks_that_would_starve_are_refused(tiny, module, monkeypatch, arguments, world, stage, told):
    data = module(tiny, **arguments)
    monkeypatch.setattr(KVQDataModule, "_world", world)
    with pytest.raises(UserError, match=told):
        data.setup(stage)


@pytest.mark.parametrize(
    "file", sorted(path.name for path in CONFIGS.glob("*.yaml") if "KVQDataModule" in path.read_text())
)
def test_config_fragments_build_the_module(file):
    config = yaml.safe_load((CONFIGS / file).read_text())
    config["data"]["init_args"]["views"] = {
        "frames": {
            "class_path": "datamodules.video.views.key_frames.KeyFrames",
            "init_args": {"sampler": {"class_path": "datamodules.video.samplers.Uniform"}, "size": 32},
        }
    }
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(L.LightningDataModule, "data")
    data = parser.instantiate(parser.parse_object({"data": config["data"]})).data
    assert isinstance(data, KVQDataModule)
    assert isinstance(data.views["frames"], KeyFrames) and isinstance(data.views["frames"].sampler, Uniform)


def test_a_thumbnail_is_the_middle_frame_upright(tmp_path, module):
    data = module(make_tiny_kvq(tmp_path, 1, portrait=True, zero_byte=True))
    assert data.thumbnail("train/0001.mp4").shape == (48, 64, 3)
    assert data.thumbnail("train/0004.mp4").shape == (64, 48, 3)
    with pytest.raises(UnreadableVideo):
        data.thumbnail("train/0003.mp4")
