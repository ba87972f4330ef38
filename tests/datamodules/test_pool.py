"""A pool stands beside the labels: fixed shares, an order that resumes, and nothing of it where models are judged."""

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.kvq import KVQDataModule
from datamodules.order import MixedOrder, TrainOrder
from datamodules.pool import Pool
from datamodules.video.samplers import Uniform
from datamodules.video.views.key_frames import KeyFrames
from records.errors import UserError
from records.pseudo_labels import write_pseudo_labels
from tests.tiny_kvq import VERSIONS, make_tiny_kvq

LABELLED = [f"c{place // 7}" for place in range(28)]
POOLED = [f"p{place // 7}" for place in range(70)]


def mixed(world=1, rank=0, ladders=0, progress=None, labelled=4, pooled=3, pool=POOLED) -> MixedOrder:
    common = {"rank": rank, "world": world, "ladders": ladders, "progress": lambda: progress}
    return MixedOrder(TrainOrder(LABELLED, labelled, seed=0, **common), TrainOrder(pool, pooled, seed=1, **common))


def label(path: Path, ids: list[str], transductive: bool = False, spreads=None, contents=None) -> str:
    scores = np.array([1 + 0.1 * (place % 30) for place in range(len(ids))], dtype=np.float32)
    spreads = np.full(len(ids), np.nan, dtype=np.float32) if spreads is None else np.array(spreads, dtype=np.float32)
    contents = contents or [f"pool {place // VERSIONS}" for place in range(len(ids))]
    write_pseudo_labels(path, ids, scores, spreads, contents, {"teacher": ["0" * 64], "transductive": transductive})
    return str(path)


@pytest.fixture(scope="session")
def extra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three contents that nobody scored, under names that labelled sets do not use. Not to be written to."""
    root = make_tiny_kvq(tmp_path_factory.mktemp("extra"), 3, seed=9)
    (root / "train").rename(root / "more")
    (root / "train.csv").unlink()
    return root


@pytest.fixture
def pool(extra, tmp_path):
    """Make the arguments of a data module with a pool of those clips."""

    def make(**options) -> dict[str, Pool]:
        ids = sorted(path.relative_to(extra).as_posix() for path in extra.rglob("*.mp4"))
        return {"pool": Pool(label(tmp_path / "pool.parquet", ids), str(extra), **options)}

    return make


def epoch(data: KVQDataModule) -> list[dict]:
    data.setup("fit")
    return list(data.train_dataloader())


@pytest.mark.parametrize("world", [1, 2, 3])
def test_every_batch_of_every_rank_holds_both_sources_in_fixed_numbers(world):
    taken = []
    for rank in range(world):
        order = mixed(world, rank)
        places = [place for _, place in order]
        assert len(places) == len(order) == 28 // (4 * world) * 7
        for start in range(0, len(places), 7):
            assert [place < 28 for place in places[start : start + 7]] == [True] * 4 + [False] * 3
        taken += places
    assert max(Counter(taken).values()) == 1


def test_the_pool_goes_on_where_the_epoch_before_left_it():
    seen = [place for at in range(5) for _, place in mixed(progress=(at, 0)) if place >= 28]
    # 5 epochs of 7 batches of 3: one pass of 23 batches, then the next in another order.
    assert len(set(seen[:69])) == 69
    assert max(Counter(seen[69:]).values()) == 1
    assert seen[69:] != seen[: len(seen) - 69]


@pytest.mark.parametrize("ladders", [0, 1])
@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_resumed_epoch_goes_on_with_the_very_clips_of_both(done, ladders):
    def order(progress):
        pool = POOLED[:21]  # less than an epoch needs: passes change in its middle
        return list(mixed(2, 1, ladders, progress, labelled=8, pooled=7, pool=pool))

    full = order((3, 0))
    assert full[: done * 15] + order((3, done)) == full
    assert {at for at, _ in full} == {3} and len(full) == 15


def test_the_pool_changes_nothing_in_the_order_of_the_labelled_clips():
    plain = [place for _, place in TrainOrder(LABELLED, 4, seed=0, progress=lambda: (2, 0))]
    assert [place for _, place in mixed(progress=(2, 0)) if place < 28] == plain


def test_both_sources_bring_whole_contents(extra, tiny, module, pool):
    data = module(tiny, batch_size=14, ladders_per_batch=2, ladder_probability=1.0, **pool())
    first = epoch(data)[0]
    versions = Counter(zip(first["origin"], first["content"], strict=True))
    assert sorted(versions.values()) == [7, 7]
    assert {origin for origin, _ in versions} == {"label", "pseudo"}


def test_batches_say_where_each_score_comes_from(tiny, module, pool, extra):
    data = module(tiny, batch_size=8, **pool(share=0.25))
    batches = epoch(data)
    scores = {clip.id: clip.score for clip in data.pool.clips} | {row.id: row.score for row in data.labels("train")}
    assert len(batches) == 28 // 6
    for batch in batches:
        assert Counter(batch["origin"]) == {"label": 6, "pseudo": 2}
        assert [id.startswith("more/") for id in batch["id"]] == [origin == "pseudo" for origin in batch["origin"]]
        assert batch["mos"].tolist() == pytest.approx([scores[id] for id in batch["id"]])


def test_without_the_pool_nothing_is_left_of_it(tiny, module, pool):
    plain, switched = module(tiny), module(tiny, **pool())
    switched_off = module(tiny, pool=None)
    ids = [[id for batch in epoch(data) for id in batch["id"]] for data in (plain, switched_off)]
    assert ids[0] == ids[1]
    epoch(switched)
    assert plain.split_hash == switched.split_hash and plain.shapes == switched.shapes
    assert plain.label_stats() == switched.label_stats()
    assert not plain.transductive and not switched.transductive


def test_no_pool_clip_is_ever_validated(tiny, module, pool):
    data = module(tiny, **pool())
    data.setup("fit")
    assert [batch["id"] for batch in data.val_dataloader()] == [[f"val/{n:04d}.mp4" for n in range(1, 8)]]
    assert {origin for batch in data.val_dataloader() for origin in batch["origin"]} == {"label"}
    data.setup("test")
    assert all(id.startswith("test/") for batch in data.test_dataloader() for id in batch["id"])


def test_a_pool_alone_gives_its_own_scale_and_every_training_clip(tiny, module, pool):
    data = module(tiny, **pool(share=1.0))
    batches = epoch(data)
    assert len(batches) == 3 and {origin for batch in batches for origin in batch["origin"]} == {"pseudo"}
    scores = np.array([clip.score for clip in data.pool.clips])
    assert data.label_stats() == pytest.approx((scores.mean(), scores.std()))
    assert [len(batch["id"]) for batch in data.val_dataloader()] == [7]


def link(tiny: Path, root: Path) -> tuple[list[str], list[str], Path]:
    os.symlink(tiny / "test" / "0003.mp4", root / "other.mp4")
    return ["other.mp4"], ["x"], root


@pytest.mark.parametrize(
    "held_out",
    [
        lambda tiny, root: (["val/0002.mp4"], ["x"], tiny),
        lambda tiny, root: (["test/0002.mp4"], ["x"], root),
        lambda tiny, root: (["train/0001.mp4"], ["val/0"], tiny),
        link,
    ],
    ids=["id", "id elsewhere", "content", "file"],
)
def test_held_out_clips_are_refused_unless_the_file_says_so(tiny, module, tmp_path, held_out):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "train").mkdir(parents=True)
    shutil.copy(tiny / "train" / "0009.mp4", elsewhere / "train")
    ids, contents, root = held_out(tiny, elsewhere)
    ids, contents = [*ids, "train/0009.mp4"], [*contents, "train/1"]
    fair = module(tiny, batch_size=2, pool=Pool(label(tmp_path / "a.parquet", ids, contents=contents), str(root)))
    with pytest.raises(UserError, match=r"a\.parquet: 1 of 2 pool clips are held out.*first .*transductive"):
        fair.setup("fit")
    stamped = label(tmp_path / "b.parquet", ids, transductive=True, contents=contents)
    data = module(tiny, batch_size=2, pool=Pool(stamped, str(root)))
    data.setup("fit")
    assert data.transductive and not fair.transductive


def test_training_clips_of_the_root_may_stand_in_the_pool(tiny, module, tmp_path):
    ids = [f"train/{n:04d}.mp4" for n in range(1, 15)]
    contents = [f"train/{n // 7}" for n in range(14)]
    data = module(tiny, pool=Pool(label(tmp_path / "pool.parquet", ids, contents=contents), str(tiny)))
    assert epoch(data)


def test_clips_of_too_large_a_spread_are_left_out(extra, tmp_path):
    ids = [f"more/{n:04d}.mp4" for n in range(1, 5)]
    labels = label(tmp_path / "pool.parquet", ids, spreads=[0.1, 0.3, np.nan, 0.2])
    assert [clip.id for clip in Pool(labels, str(extra), max_spread=0.2).clips] == [ids[0], ids[2], ids[3]]
    assert len(Pool(labels, str(extra)).clips) == 4
    certain = label(tmp_path / "certain.parquet", ids, spreads=[1.0] * 4)
    with pytest.raises(UserError, match=r"none of 4 clips.*max_spread"):
        _ = Pool(certain, str(extra), max_spread=0.2).clips


def test_shares_are_rounded_and_leave_room_for_both():
    def rows(share: float, size: int) -> int:
        return Pool("x", "x", share).rows(size)

    assert [rows(0.5, 28), rows(0.3, 28), rows(1.0, 28), rows(0.01, 4), rows(0.99, 4)] == [14, 8, 28, 1, 3]
    with pytest.raises(UserError, match="a batch of one clip"):
        rows(0.5, 1)
    for share in (0.0, 1.1, -1.0):
        with pytest.raises(UserError, match="share"):
            Pool("x", "x", share)


def test_a_pool_that_cannot_be_trained_on_is_told_before_the_first_batch(tiny, module, pool, tmp_path):
    with pytest.raises(UserError, match="do not fill a batch"):
        module(tiny, batch_size=28, **pool(share=0.9)).setup("fit")
    gone = Pool(label(tmp_path / "gone.parquet", ["more/0001.mp4"]), str(tmp_path))
    with pytest.raises(UserError, match="none of the 1 pool clips is there"):
        module(tiny, pool=gone).setup("fit")
    with pytest.raises(UserError, match="no such file"):
        module(tiny, pool=Pool(str(tmp_path / "no.parquet"), str(tmp_path))).setup("fit")


def test_a_substitute_comes_from_the_pool_too(tiny, module, extra, tmp_path):
    ids = [f"more/{n:04d}.mp4" for n in range(1, 15)]
    (tmp_path / "more").mkdir()
    for id in ids:
        (tmp_path / id).write_bytes(b"" if id.endswith("05.mp4") else (extra / id).read_bytes())
    data = module(tiny, batch_size=14, pool=Pool(label(tmp_path / "pool.parquet", ids), str(tmp_path)))
    for batch in epoch(data):
        assert Counter(batch["origin"]) == {"label": 7, "pseudo": 7}
        assert "more/0005.mp4" not in batch["id"]


def test_views_for_training_only_stay_there(tiny, module, pool):
    torch.set_num_threads(1)
    data = module(tiny, train_views={"teacher": KeyFrames(Uniform(1), 16)}, **pool())
    assert data.shapes.keys() == {"frames"} and data.train_shapes == {"teacher": (1, 3, 16, 16)}
    assert epoch(data)[0]["views"].keys() == {"frames", "teacher"}
    assert next(iter(data.val_dataloader()))["views"].keys() == {"frames"}
    with pytest.raises(UserError, match="'frames' is a view too"):
        module(tiny, train_views={"frames": KeyFrames(Uniform(1), 16)})
