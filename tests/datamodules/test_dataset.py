"""Samples, and what becomes of clips that cannot be read."""

import math
import pickle

import pytest
import torch

from datamodules.dataset import Clip, Collate, VideoQualityDataset
from datamodules.loader import Fault
from datamodules.quarantine import Quarantine
from datamodules.video.draw import Draw
from datamodules.video.samplers import Uniform
from datamodules.video.views.assemble import read_views
from datamodules.video.views.key_frames import KeyFrames

VIEWS = {"frames": KeyFrames(Uniform(2), 32)}
BROKEN, EMPTY, GOOD = 1, 2, 0


def dataset(root, path=None, **arguments):
    clips = [
        Clip(f"train/{n:04d}.mp4", root / "train" / f"{n:04d}.mp4", f"train/{(n - 1) // 7}", 3.0) for n in range(1, 29)
    ]
    settings = {"split": "train", "train": True, "allowed": 2, **arguments}
    return VideoQualityDataset(clips, VIEWS, Quarantine(path), **settings)


def test_a_sample_holds_what_the_network_and_the_tables_need(damaged):
    sample = dataset(damaged)[(0, GOOD)]
    assert set(sample) == {"id", "views", "mos", "origin", "content"}
    assert (sample["id"], sample["origin"], sample["content"]) == ("train/0001.mp4", "label", "train/0")
    assert sample["views"]["frames"].shape == (2, 3, 32, 32)
    assert sample["views"]["frames"].dtype == torch.uint8
    assert sample["mos"].dtype == torch.float32 and sample["mos"].shape == () and sample["mos"] == 3.0


def test_draws_follow_seed_epoch_and_id(damaged):
    def frames(seed, epoch, **arguments):
        return dataset(damaged, seed=seed, **arguments)[(epoch, 6)]["views"]["frames"]

    wanted = read_views(damaged / "train/0007.mp4", VIEWS, Draw(seed=5, epoch=3, id="train/0007.mp4", train=True))
    assert torch.equal(frames(5, 3), wanted["frames"])
    drawn = [frames(5, epoch) for epoch in range(8)]
    assert any(not torch.equal(drawn[0], other) for other in drawn[1:])
    still = [frames(seed, epoch, train=False) for seed, epoch in ((0, 0), (5, 3))]
    assert torch.equal(*still)


def test_a_place_alone_is_epoch_zero(damaged):
    samples = dataset(damaged)
    assert torch.equal(samples[4]["views"]["frames"], samples[(0, 4)]["views"]["frames"])


@pytest.mark.parametrize("place", [BROKEN, EMPTY])
def test_substitutes_are_a_function_of_seed_epoch_and_id(damaged, place):
    def drawn(seed, epoch):
        return dataset(damaged, seed=seed, on_unreadable="substitute")[(epoch, place)]["id"]

    assert [drawn(0, epoch) for epoch in range(9)] == [drawn(0, epoch) for epoch in range(9)]
    assert len({drawn(0, epoch) for epoch in range(9)}) > 3
    assert drawn(0, 0) not in {"train/0002.mp4", "train/0003.mp4"}


def test_a_substitute_brings_its_own_draws_and_label(damaged):
    samples = dataset(damaged, on_unreadable="substitute")
    sample = samples[(4, BROKEN)]
    place = int(sample["id"][6:10]) - 1
    assert torch.equal(sample["views"]["frames"], samples[(4, place)]["views"]["frames"])


def test_skipped_clips_leave_a_smaller_batch(damaged, tmp_path):
    samples = dataset(damaged, tmp_path / "quarantine.csv", on_unreadable="skip")
    assert samples[(0, BROKEN)] is None
    batch = Collate({"frames": (2, 3, 32, 32)})([samples[(0, place)] for place in range(4)])
    assert batch["id"] == ["train/0001.mp4", "train/0004.mp4"]
    assert batch["views"]["frames"].shape == (2, 2, 3, 32, 32)
    assert batch["mos"].tolist() == [3.0, 3.0]
    listed = (tmp_path / "quarantine.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in listed] == ["id", "train/0002.mp4", "train/0003.mp4"]


def test_a_batch_of_broken_clips_alone_is_empty_in_evaluation_and_none_in_training():
    shapes = {"frames": (2, 3, 32, 32)}
    batch = Collate(shapes)([None, None])
    assert batch["id"] == batch["content"] == batch["origin"] == []
    assert batch["views"]["frames"].shape == (0, 2, 3, 32, 32)
    assert batch["mos"].shape == (0,)
    assert Collate(shapes, train=True)([None, None]) is None


def test_fail_names_the_file(damaged):
    fault = dataset(damaged, on_unreadable="fail")[(0, EMPTY)]
    assert isinstance(fault, Fault)
    assert "0003.mp4" in str(fault.error()) and "on_unreadable" in str(fault.error())


def test_too_many_unreadable_clips_name_the_report(damaged, tmp_path):
    samples = dataset(damaged, tmp_path / "quarantine.csv", on_unreadable="substitute", allowed=1)
    assert not isinstance(samples[(0, BROKEN)], Fault)
    fault = samples[(0, EMPTY)]
    assert isinstance(fault, Fault)
    told = str(fault.error())
    assert "2 of 28 train clips" in told and "quarantine.csv" in told and "unreadable_share" in told


def test_nothing_but_broken_clips_ends_in_a_fault(damaged):
    samples = dataset(damaged, on_unreadable="substitute", allowed=10)
    samples.clips = samples.clips[1:3]
    assert "in a row" in str(samples[(0, 0)].error())


def test_a_missing_file_is_treated_as_a_broken_one(damaged):
    samples = dataset(damaged, on_unreadable="skip")
    samples.clips[0] = Clip("train/gone.mp4", damaged / "train" / "gone.mp4", "x")
    assert samples[(0, 0)] is None


def test_the_first_fault_of_a_batch_comes_through():
    from records.errors import UserError

    fault = Fault(UserError("bad", where="here", mend="mend it"))
    assert Collate({})([None, pickle.loads(pickle.dumps(fault)), None]).error().args == ("bad", "here", "mend it")


def test_a_clip_without_score_has_no_origin(damaged):
    samples = dataset(damaged)
    samples.clips[0] = Clip("train/0001.mp4", damaged / "train/0001.mp4", "train/0")
    sample = samples[(0, 0)]
    assert math.isnan(sample["mos"]) and sample["origin"] == ""
