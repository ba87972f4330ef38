"""Rows of several experts side by side, refused where they are of another width or of other frames."""

import pickle

import numpy as np
import pytest
import torch

from datamodules.dataset import Clip, Collate, VideoQualityDataset
from datamodules.kvq import KVQDataModule
from datamodules.loader import Fault
from datamodules.quarantine import Quarantine
from datamodules.video.draw import Draw
from datamodules.video.samplers import OnePerSecond, Uniform
from datamodules.video.unreadable import UnreadableVideo
from datamodules.video.views.assemble import read_views
from datamodules.video.views.expert_rows import ExpertRows
from datamodules.video.views.key_frames import KeyFrames
from records.bank_writer import BankWriter
from records.errors import UserError
from records.feature_bank import BankHeader, FeatureBank
from records.hashing import value_hash
from tests.tiny_kvq import make_tiny_kvq, write_clip

IDS = ["a.mp4", "b.mp4", "c.mp4"]
EIGHT = Uniform(8)


def fill(root, expert, tokens, width, sampler=EIGHT, done=IDS, stand_in=False):
    hash = value_hash(sampler.signature()) if tokens > 1 else ""
    header = BankHeader(expert, "1", "w", hash, tokens, width, stand_in)
    writer = BankWriter(FeatureBank.prepare(root / expert, header, IDS))
    rows = np.random.default_rng(len(expert)).normal(size=(len(IDS), tokens, width)).astype(np.float32)
    writer.write(done, rows[: len(done)])
    writer.close()
    return rows.astype(np.float16).astype(np.float32)


@pytest.fixture
def root(tmp_path):
    fill(tmp_path, "frames", 8, 5)
    fill(tmp_path, "whole", 1, 3)
    return tmp_path


def test_experts_stand_side_by_side_and_a_single_row_is_repeated(tmp_path):
    frames, whole = fill(tmp_path, "frames", 8, 5), fill(tmp_path, "whole", 1, 3)
    view = ExpertRows(str(tmp_path), {"whole": 3, "frames": 5}, sampler=EIGHT)
    assert view.shape == (8, 8)
    tensor = view.read("b.mp4")
    assert tensor.dtype == torch.float32 == view.dtype
    assert np.array_equal(tensor[:, 5:].numpy(), np.repeat(whole[1], 8, axis=0))
    assert np.array_equal(tensor[:, :5].numpy(), frames[1])


def test_shapes_are_known_without_any_bank(tmp_path):
    assert ExpertRows(str(tmp_path / "none"), {"x": 7, "y": 2}, tokens=4).shape == (4, 9)


def test_widths_that_differ_from_the_promise_are_refused_in_one_sentence(root):
    with pytest.raises(UserError, match="whole has 3 features and 4 are promised"):
        ExpertRows(str(root), {"frames": 5, "whole": 4}).read("a.mp4")


def test_rows_of_other_frames_are_refused(root):
    experts = {"frames": 5, "whole": 3}
    assert ExpertRows(str(root), experts, sampler=EIGHT).read("a.mp4").shape == (8, 8)
    with pytest.raises(UserError, match="rows of frames are of other frames than OnePerSecond"):
        ExpertRows(str(root), experts, sampler=OnePerSecond(8)).read("a.mp4")
    fill(root, "others", 8, 2, OnePerSecond(8))
    with pytest.raises(UserError, match="rows of others are of other frames than those of frames"):
        ExpertRows(str(root), {**experts, "others": 2}).read("a.mp4")
    # A row of the whole video has no frames that could differ.
    assert ExpertRows(str(root), {"whole": 3}, sampler=OnePerSecond(8)).read("a.mp4").shape == (8, 3)


def test_another_number_of_tokens_is_refused(root):
    with pytest.raises(UserError, match="frames has 8 tokens a video and the view has 4"):
        ExpertRows(str(root), {"frames": 5}, tokens=4).read("a.mp4")
    with pytest.raises(ValueError, match="same number"):
        ExpertRows(str(root), {"frames": 5}, tokens=4, sampler=EIGHT)


def test_missing_banks_and_unknown_ids_are_named(root):
    with pytest.raises(UserError, match=r"(?s)nobody.*no feature bank"):
        ExpertRows(str(root), {"nobody": 5}).read("a.mp4")
    with pytest.raises(UserError, match=r"frames has no row for z\.mp4") as caught:
        ExpertRows(str(root), {"frames": 5}).read("z.mp4")
    assert not isinstance(caught.value, UnreadableVideo)


def test_what_is_missing_in_any_bank_is_listed(root):
    fill(root, "part", 1, 2, done=IDS[:1])
    view = ExpertRows(str(root), {"frames": 5, "part": 2})
    assert view.missing([*IDS, "z.mp4"]) == ["b.mp4", "c.mp4", "z.mp4"]
    assert ExpertRows(str(root), {"frames": 5}).missing(IDS) == []


def test_stand_ins_are_known(root):
    fill(root, "random", 1, 2, stand_in=True)
    assert ExpertRows(str(root), {"frames": 5, "random": 2}).stand_ins == ["random"]
    assert ExpertRows(str(root), {"frames": 5}).stand_ins == []


def test_no_video_is_opened_where_all_views_are_stored(root):
    view = ExpertRows(str(root), {"frames": 5})
    views = read_views(root / "there-is-no-such-file.mp4", {"experts": view}, Draw(id="a.mp4"))
    assert torch.equal(views["experts"], view.read("a.mp4"))


def test_stored_and_rendered_views_come_together(root):
    write_clip(root / "a.mp4", "x", 0, 64, 48, 6)
    views = {"experts": ExpertRows(str(root), {"frames": 5}), "frames": KeyFrames(Uniform(2), 32)}
    tensors = read_views(root / "a.mp4", views, Draw(id="a.mp4"))
    assert tensors["frames"].shape == (2, 3, 32, 32) and tensors["frames"].dtype == torch.uint8
    assert tensors["experts"].shape == (8, 5)
    (root / "b.mp4").write_bytes(b"")
    with pytest.raises(UnreadableVideo):
        read_views(root / "b.mp4", views, Draw(id="b.mp4"))


def samples(root, view, **more):
    clips = [Clip(id, root / id, id, 3.0) for id in [*IDS, "z.mp4"]]
    return VideoQualityDataset(clips, {"experts": view}, Quarantine(None), split="train", **more)


def test_a_row_that_could_not_be_made_is_a_clip_that_cannot_be_read(root):
    fill(root, "part", 1, 2, done=IDS[:2])
    data = samples(root, ExpertRows(str(root), {"part": 2}), allowed=1)
    assert data[0]["views"]["experts"].shape == (8, 2)
    assert data[2] is None
    unlisted = data[3]
    assert isinstance(unlisted, Fault) and "z.mp4" in str(unlisted.error())


def test_batches_of_rows_keep_their_type_also_when_empty(root):
    view = ExpertRows(str(root), {"frames": 5})
    data = samples(root, view)
    batch = Collate({"experts": view.shape})([data[0], data[1]])
    assert batch["views"]["experts"].shape == (2, 8, 5) and batch["views"]["experts"].dtype == torch.float32
    empty = Collate({"experts": view.shape}, dtypes={"experts": view.dtype})([None])["views"]["experts"]
    assert empty.shape == (0, 8, 5) and empty.dtype == torch.float32


def test_the_view_survives_the_way_to_a_worker_and_has_a_signature(root):
    view = ExpertRows(str(root), {"frames": 5}, sampler=EIGHT)
    expected = view.read("c.mp4")
    assert torch.equal(pickle.loads(pickle.dumps(view)).read("c.mp4"), expected)
    assert view.signature()["sampler"]["count"] == 8


def test_every_clip_of_every_split_is_predicted_by_one_word(tmp_path):
    make_tiny_kvq(tmp_path, 2, val=1, test=1)
    view = {"frames": KeyFrames(Uniform(2), 32)}
    module = KVQDataModule(str(tmp_path), view, predict_split="all", num_workers=0, batch_size=7)
    module.setup("predict")
    ids = [id for batch in module.predict_dataloader() for id in batch["id"]]
    assert len(ids) == len(set(ids)) == 28 and ids == sorted(ids)
    folds = KVQDataModule(str(tmp_path), view, predict_split="all", num_workers=0, fold=0, folds=2)
    assert [label.id for label in folds.labels("predict")] == ids


def test_a_split_whose_rows_are_missing_is_refused_before_the_first_batch(tmp_path):
    make_tiny_kvq(tmp_path, 2, val=1)
    fill(tmp_path, "part", 1, 2)
    module = KVQDataModule(str(tmp_path), {"experts": ExpertRows(str(tmp_path), {"part": 2})}, batch_size=7)
    with pytest.raises(UserError, match=r"rows of 14 of 14 train clips are missing, for example of train/0001\.mp4"):
        module.setup("fit")


def test_a_data_module_of_rows_needs_no_videos(tmp_path):
    make_tiny_kvq(tmp_path, 2, val=1)
    ids = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.mp4"))
    header = BankHeader("all", "1", "w", "", 1, 2)
    writer = BankWriter(FeatureBank.prepare(tmp_path / "features" / "all", header, ids))
    writer.write(ids, np.ones((len(ids), 1, 2), np.float32))
    for path in tmp_path.rglob("*.mp4"):
        path.unlink()
    view = ExpertRows(str(tmp_path / "features"), {"all": 2}, tokens=1)
    module = KVQDataModule(str(tmp_path), {"experts": view}, batch_size=7, num_workers=2)
    module.setup("fit")
    batch = next(iter(module.train_dataloader()))
    assert batch["views"]["experts"].shape == (7, 1, 2) and module.shapes == {"experts": (1, 2)}
