"""Pseudo-label tables and the parts they are merged from."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from records import pseudo_labels
from records.errors import UserError
from records.label_parts import LabelledIds, LabelPart
from records.pseudo_labels import read_pseudo_labels, write_pseudo_labels

TEACHER = {"teacher": ["aa", "bb"], "config": "cc"}


def test_a_table_comes_back_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(pseudo_labels, "GROUP", 2)
    ids = [f"clip {n}, ü.mp4" for n in range(5)]
    scores, spreads = np.linspace(1, 5, 5), np.array([0.1, np.nan, 0.2, 0.3, 0.4])
    kept = np.array([True, True, False, True, True])
    write_pseudo_labels(tmp_path / "a.parquet", ids, scores, spreads, ["c"] * 5, {**TEACHER, "n": 4}, kept)
    table = read_pseudo_labels(tmp_path / "a.parquet")
    assert table.ids == [ids[place] for place in (0, 1, 3, 4)] and table.contents == ["c"] * 4
    np.testing.assert_allclose(table.scores, scores[kept])
    np.testing.assert_allclose(table.spreads, spreads[kept].astype(np.float32))
    assert table.scores.dtype == table.spreads.dtype == np.float32
    assert table.header == {**TEACHER, "n": 4}
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_a_table_of_another_kind_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_pseudo_labels(tmp_path / "none.parquet")
    pq.write_table(pa.table({"id": ["a"], "score": [1.0]}), tmp_path / "other.parquet")
    with pytest.raises(UserError, match="no table of pseudo-labels"):
        read_pseudo_labels(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("PAR1 and nothing else")
    with pytest.raises(UserError, match="not a readable Parquet table"):
        read_pseudo_labels(tmp_path / "text.parquet")


def test_parts_of_all_writers_are_found_by_id(tmp_path):
    for rank, rows in enumerate(([("a", 1.5, 0.5), ("c", 3.0, float("nan"))], [("b", float("nan"), 0.25)])):
        part = LabelPart(tmp_path, rank, TEACHER)
        part.add(rows[:1])
        part.add(rows[1:])
        part.close()
    done = LabelledIds(tmp_path, TEACHER)
    assert len(done) == 3 and "a" in done and "d" not in done
    known, scores, spreads = done.find(["c", "x", "b", "a"])
    assert known.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(scores, np.float32([3.0, np.nan, np.nan, 1.5]))
    np.testing.assert_array_equal(spreads, np.float32([np.nan, np.nan, 0.25, 0.5]))


@pytest.mark.parametrize("cut", range(1, 18))
def test_a_torn_last_line_costs_one_label_and_nothing_that_follows(tmp_path, cut):
    part = LabelPart(tmp_path, 0, TEACHER)
    part.add([("a.mp4", 1.0, 0.5), ("b.mp4", 2.0, 0.5)])
    part.close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-cut])
    # The same rank and process id once more, as in a container.
    again = LabelPart(tmp_path, 0, TEACHER)
    again.add([("c.mp4", 3.0, 0.5)])
    again.close()
    done = LabelledIds(tmp_path, TEACHER)
    # Without its line break alone, a line is whole.
    assert [id in done for id in ("a.mp4", "b.mp4", "c.mp4")] == [True, cut == 1, True]


def test_an_id_of_two_parts_counts_once(tmp_path):
    for rank in (0, 1):
        part = LabelPart(tmp_path, rank, TEACHER)
        part.add([("a", 1.0 + rank, 0.0)])
        part.close()
    done = LabelledIds(tmp_path, TEACHER)
    assert len(done) == 1 and done.find(["a"])[1].tolist() == [1.0]


def test_no_parts_are_no_labels(tmp_path):
    done = LabelledIds(tmp_path / "none", TEACHER)
    assert len(done) == 0 and "a" not in done and not done.find(["a", "b"])[0].any()


def test_parts_of_another_teacher_are_refused_by_what_differs(tmp_path):
    part = LabelPart(tmp_path, 0, TEACHER)
    part.add([("a", 1.0, 0.0)])
    part.close()
    with pytest.raises(UserError, match="another teacher; name another file to write"):
        LabelledIds(tmp_path, {**TEACHER, "teacher": ["aa"]})
