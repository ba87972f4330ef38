"""Prediction tables as Parquet and as submission CSV."""

import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from records.errors import UserError
from records.predictions import Prediction, read_predictions, write_predictions

ROWS = [
    Prediction("val/0001.mp4", 3.25, 3.5, "label", "val/0", "val"),
    Prediction("b.mp4", 0.1 + 0.2, None, "pseudo", "", None),
]


def test_parquet_is_read_back_with_its_columns(tmp_path):
    write_predictions(tmp_path / "p.parquet", ROWS)
    assert read_predictions(tmp_path / "p.parquet") == ROWS
    names = pq.read_table(tmp_path / "p.parquet").column_names
    assert names == ["id", "prediction", "target", "origin", "content", "split"]
    assert list(tmp_path.iterdir()) == [tmp_path / "p.parquet"]


def test_no_rows_and_nan_targets(tmp_path):
    write_predictions(tmp_path / "p.parquet", [])
    assert read_predictions(tmp_path / "p.parquet") == []
    write_predictions(tmp_path / "p.parquet", [Prediction("a", math.inf, math.nan)])
    assert read_predictions(tmp_path / "p.parquet") == [Prediction("a", math.inf, None)]


def test_submission_csv_and_its_empty_or_double_rows(tmp_path):
    path = tmp_path / "prediction.csv"
    path.write_bytes(b"\xef\xbb\xbffilename,score\r\na.mp4,1.5\r\na.mp4,nan\r\nb.mp4,\r\n")
    rows = read_predictions(path)
    assert [row.id for row in rows] == ["a.mp4", "a.mp4", "b.mp4"]
    assert rows[0] == Prediction("a.mp4", 1.5) and math.isnan(rows[1].prediction) and math.isnan(rows[2].prediction)


def test_tables_of_the_assess_command_are_taken(tmp_path):
    (tmp_path / "out.csv").write_text("id,score,percentile,seconds,error\na.mp4,1.5,50,0.1,\nb.mp4,,,,broken\n")
    assert read_predictions(tmp_path / "out.csv")[0] == Prediction("a.mp4", 1.5)
    pq.write_table(pa.table({"id": ["a.mp4"], "score": [1.5], "percentile": [50.0]}), tmp_path / "out.parquet")
    assert read_predictions(tmp_path / "out.parquet") == [Prediction("a.mp4", 1.5)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no rows"),
        ("a.mp4,1\n", "no column filename or id"),
        ("filename,quality\na.mp4,1\n", "no column score or prediction"),
        ("filename,score\na.mp4,good\n", "row 2: score 'good'"),
        ("filename,score\na.mp4,1,2\n", "row 2: 3 columns"),
        ("filename,score\n,1\n", "row 2: the file name is empty"),
        ("PAR1 cut off", "not a readable Parquet"),
    ],
)
def test_files_that_are_no_predictions(tmp_path, content, told):
    path = tmp_path / "p.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=told):
        read_predictions(path)


def test_parquet_with_other_types_or_columns(tmp_path):
    pq.write_table(pa.table({"id": [1], "prediction": [1.0]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="column id is of int64, not of texts"):
        read_predictions(tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "b.parquet")
    with pytest.raises(UserError, match="it has x"):
        read_predictions(tmp_path / "b.parquet")


def test_absent_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_predictions(tmp_path / "absent.parquet")
