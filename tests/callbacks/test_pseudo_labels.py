"""Labels of a pool: nothing lost, nothing doubled, nothing that leaks, and the filters."""

import csv
import math
from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from callbacks.label_filters import LabelFilters
from callbacks.predictions import PredictionTable
from callbacks.pseudo_labels import PseudoLabelWriter
from callbacks.run_facts import RunFacts
from records.errors import CheckFailed, UserError
from records.labels import Label
from records.pseudo_labels import read_pseudo_labels

COUNT = 10
NONE = LabelFilters(copies=False, spread_percentile=100, max_share=1)


class Pool(L.LightningDataModule):
    """Clips n.mp4; the last cannot be read."""

    def __init__(self, leaks=(), copies=()):
        super().__init__()
        self.found, self.pairs, self.done = leaks, copies, frozenset()
        self.fails = {f"{COUNT - 1}.mp4"}

    def labels(self, split):
        return [Label(f"{n}.mp4", None, f"content {min(n, 7)}", split) for n in range(COUNT)]

    def leave_out(self, ids):
        self.done = ids

    def unreadable(self, split):
        return self.fails

    def leaks(self):
        return [SimpleNamespace(id=id, guarded_id="val/1.mp4", reason="looks alike") for id in self.found]

    def copies(self):
        return list(self.pairs)

    def predict_dataloader(self):
        left = [label.id for label in self.labels("predict") if label.id not in self.done]
        return DataLoader([id for id in left if id not in self.fails] or [""], batch_size=2)


class Teacher(L.LightningModule):
    """Scores clip n with 1 + n / 10, and fails at the batch of ``fails``."""

    def __init__(self, checkpoint, fails=""):
        super().__init__()
        self.checkpoint, self.fails, self.asked = str(checkpoint), fails, []

    def predict_step(self, batch, batch_idx):
        rows = [(id, 1 + int(id.removesuffix(".mp4")) / 10, 0.01 * len(id)) for id in batch if id]
        if self.fails in batch:
            raise RuntimeError("killed")
        self.asked += [row[0] for row in rows]
        return rows


@pytest.fixture
def work(tmp_path):
    (tmp_path / "a.ckpt").write_bytes(b"a")
    (tmp_path / "b.ckpt").write_bytes(b"b")
    return tmp_path


def label(work, writer, pool, *, checkpoint="a.ckpt", fails="none", config=None):
    teacher = Teacher(work / checkpoint, fails)
    trainer = L.Trainer(
        accelerator="cpu",
        default_root_dir=work / "run",
        callbacks=[writer, PredictionTable(), RunFacts(config or {})],
        enable_progress_bar=False,
        logger=False,
    )
    trainer.predict(teacher, datamodule=pool, return_predictions=False)
    return teacher.asked


def rows(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))[1:]


def test_a_pool_is_labelled_in_its_order_with_what_is_known_of_the_teacher(work):
    writer = PseudoLabelWriter(filters=NONE)
    asked = label(work, writer, Pool())
    table = read_pseudo_labels(work / "run/pseudo_labels.parquet")
    assert table.ids == asked == [f"{n}.mp4" for n in range(COUNT - 1)]
    np.testing.assert_allclose(table.scores, 1 + np.arange(COUNT - 1) / 10)
    assert table.contents[3] == "content 3"
    header = table.header
    assert header["counts"] == {
        "pool": 10,
        "unreadable": 1,
        "leaks": 0,
        "not finite": 0,
        "spread": 0,
        "balance": 0,
        "labelled": 9,
    }
    assert len(header["teacher"]) == 1 and len(header["teacher"][0]) == 64 and not header["transductive"]
    assert header["filters"]["spread_percentile"] == 100 and header["date"].endswith("Z")
    assert writer.told["labelled"] == "9 of 10 clips" and writer.told["left out"] == "1 unreadable"
    assert not (work / "run/predictions.parquet").exists()


def test_what_a_stopped_run_did_is_not_done_again(work):
    with pytest.raises(RuntimeError, match="killed"):
        label(work, PseudoLabelWriter(filters=NONE), Pool(), fails="4.mp4")
    assert not (work / "run/pseudo_labels.parquet").exists()
    assert label(work, PseudoLabelWriter(filters=NONE), Pool()) == [f"{n}.mp4" for n in range(4, COUNT - 1)]
    whole = PseudoLabelWriter(str(work / "whole.parquet"), NONE)
    label(work, whole, Pool())
    ours, theirs = read_pseudo_labels(work / "run/pseudo_labels.parquet"), read_pseudo_labels(work / "whole.parquet")
    assert ours.ids == theirs.ids and (ours.scores == theirs.scores).all() and ours.header["counts"]["labelled"] == 9
    # Once more, with another filter: no forward at all.
    pool = Pool(copies=[("0.mp4", "3.mp4")])
    assert label(work, PseudoLabelWriter(filters=LabelFilters(True, 100, 1)), pool) == []
    assert "3.mp4" not in read_pseudo_labels(work / "run/pseudo_labels.parquet").ids


def test_labels_of_another_teacher_or_network_are_refused(work):
    network = {"model": {"init_args": {"network": {"width": 8}}}}
    label(work, PseudoLabelWriter(), Pool(), config=network)
    with pytest.raises(UserError, match="another teacher"):
        label(work, PseudoLabelWriter(), Pool(), checkpoint="b.ckpt", config=network)
    network["model"]["init_args"]["network"]["width"] = 9
    with pytest.raises(UserError, match="another config"):
        label(work, PseudoLabelWriter(), Pool(), config=network)


def test_a_clip_without_a_label_is_an_error_unless_it_cannot_be_read(work):
    pool = Pool()
    pool.predict_dataloader = lambda: DataLoader(["0.mp4"])
    with pytest.raises(CheckFailed, match=r"8 of 10 clips have no label, for example 1\.mp4"):
        label(work, PseudoLabelWriter(filters=NONE), pool)
    assert not (work / "run/pseudo_labels.parquet").exists()


def test_leaks_get_no_label_unless_that_is_allowed_and_stamped(work):
    leaking = ("2.mp4", "5.mp4")
    writer = PseudoLabelWriter(filters=NONE)
    label(work, writer, Pool(leaking))
    table = read_pseudo_labels(work / "run/pseudo_labels.parquet")
    assert not set(leaking) & set(table.ids) and len(table.ids) == 7 and not table.header["transductive"]
    assert rows(work / "run/pseudo_labels.leaks.csv") == [[id, "val/1.mp4", "looks alike"] for id in leaking]
    assert "2 clips" in writer.told["leaks"]
    label(work, PseudoLabelWriter(filters=NONE, allow_transductive=True), Pool(leaking))
    table = read_pseudo_labels(work / "run/pseudo_labels.parquet")
    assert set(leaking) < set(table.ids) and table.header["transductive"]
    # Allowed, but none is there.
    label(work, PseudoLabelWriter(filters=NONE, allow_transductive=True), Pool())
    assert not read_pseudo_labels(work / "run/pseudo_labels.parquet").header["transductive"]
    # Forbidden again, with their labels still among the parts.
    label(work, PseudoLabelWriter(filters=NONE), Pool(leaking))
    assert not set(leaking) & set(read_pseudo_labels(work / "run/pseudo_labels.parquet").ids)


def test_filtered_labels_are_listed_with_their_reason(work):
    pool = Pool(copies=[("1.mp4", "2.mp4"), ("1.mp4", "6.mp4"), ("7.mp4", "8.mp4")])
    label(work, PseudoLabelWriter(filters=LabelFilters(spread_percentile=100, max_share=1)), pool)
    table = read_pseudo_labels(work / "run/pseudo_labels.parquet")
    assert rows(work / "run/pseudo_labels.filtered.csv") == [["2.mp4", "copy"], ["6.mp4", "copy"]]
    assert table.header["counts"]["copy"] == 2 and len(table.ids) == 7


def test_filters_drop_each_label_for_one_reason():
    count = 1000
    generator = np.random.default_rng(0)
    ids = [f"{n}.mp4" for n in range(count)]
    scores, spreads = generator.uniform(1, 5, count), generator.permutation(count) / count
    scores[:500], scores[7], spreads[9] = 3.0 + 1e-3 * np.arange(500) / 500, math.nan, math.nan
    filters = LabelFilters(spread_percentile=90, max_share=0.2, bins=10)
    dropped = filters.apply(ids, scores, spreads, {ids[3]: ids[1], ids[7]: ids[1]})
    assert dropped["not finite"].tolist() == [7] and dropped["copy"].tolist() == [3]
    others = np.delete(np.arange(count), [3, 7, 9])
    limit = np.percentile(spreads[others], 90)
    assert dropped["spread"].tolist() == [n for n in others if spreads[n] > limit] and len(dropped["spread"]) == 100
    all_places = np.concatenate(list(dropped.values()))
    assert len(set(all_places.tolist())) == len(all_places)
    left = np.delete(scores, all_places)
    came = count - 1 - 1 - 100
    histogram, _ = np.histogram(left, np.linspace(np.nanmin(left), np.nanmax(left), 11))
    assert histogram.max() == int(0.2 * came)
    # Which ones stay depends on the id, not on the order.
    order = generator.permutation(count)
    again = filters.apply([ids[n] for n in order], scores[order], spreads[order], {ids[3]: ids[1], ids[7]: ids[1]})
    assert set(order[again["balance"]].tolist()) == set(dropped["balance"].tolist())


@pytest.mark.parametrize("more", [{"spread_percentile": 0}, {"max_share": 1.5}, {"bins": 0}])
def test_filter_settings_out_of_range_are_refused(more):
    with pytest.raises(ValueError, match=next(iter(more))):
        LabelFilters(**more)


def test_a_table_that_is_no_parquet_file_is_refused():
    with pytest.raises(ValueError, match=r"must end in \.parquet"):
        PseudoLabelWriter("labels.csv")


def test_the_writer_stands_aside_of_a_fit():
    PseudoLabelWriter().setup(SimpleNamespace(), torch.nn.Module(), "fit")
