"""Rank pairs from the official workbook and from CSV."""

import openpyxl
import pytest

from records.errors import UserError
from records.pairs import Pair, read_pairs, write_pairs

PAIRS = [Pair("nonsource", "test/0001.mp4", "test/0009.mp4", 1), Pair("source", "test/0002.mp4", "test/0001.mp4", 2)]


def workbook(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_csv_is_read_back(tmp_path):
    write_pairs(tmp_path / "pairs.csv", PAIRS)
    assert read_pairs(tmp_path / "pairs.csv") == PAIRS
    assert tuple(PAIRS[0]) == ("nonsource", "test/0001.mp4", "test/0009.mp4", 1)


@pytest.mark.parametrize("header", [True, False])
def test_workbook(tmp_path, header):
    top = [["video1", "video2", "rank", "note"]] if header else []
    path = workbook(
        tmp_path / "rank-pair.xlsx",
        {
            "source": [*top, ["test/0002.mp4", "test/0001.mp4", 2.0]],
            "readme": [["whatever"]],
            "nonsource": [*top, ["test/0001.mp4", "test/0009.mp4", 1, "easy"], [None, None, None]],
        },
    )
    assert read_pairs(path) == PAIRS


def test_workbook_without_a_sheet(tmp_path):
    with pytest.raises(UserError, match="no sheet source; it has nonsource"):
        read_pairs(workbook(tmp_path / "pairs.xlsx", {"nonsource": [["a", "b", 1]]}))


def test_workbook_faults_name_sheet_and_row(tmp_path):
    sheets = {"nonsource": [["v", "w", "rank"], ["a", "b", 1]], "source": [["v", "w", "rank"], ["a", "b", 3]]}
    with pytest.raises(UserError, match=r"sheet source: row 2: rank '3'"):
        read_pairs(workbook(tmp_path / "pairs.xlsx", sheets))


def test_a_file_that_is_no_workbook(tmp_path):
    (tmp_path / "pairs.xlsx").write_text("kind,video1,video2,rank\n")
    with pytest.raises(UserError, match="not a readable xlsx"):
        read_pairs(tmp_path / "pairs.xlsx")
    with pytest.raises(UserError, match="no such file"):
        read_pairs(tmp_path / "absent.xlsx")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("other,a,b,1", "neither nonsource nor source"),
        ("source,a,b,0", "neither 1 nor 2"),
        ("source,a,b,", "neither 1 nor 2"),
        ("source,a,a,1", "paired with itself"),
        ("source,,b,1", "empty"),
        ("source,a", "2 columns"),
    ],
)
def test_csv_faults_name_the_row(tmp_path, row, told):
    path = tmp_path / "pairs.csv"
    path.write_text(f"kind,video1,video2,rank\nsource,a,b,1\n{row}\n")
    with pytest.raises(UserError, match=f"row 3: .*{told}"):
        read_pairs(path)


def test_csv_without_its_header(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("source,a,b,1\n")
    with pytest.raises(UserError, match="kind,video1,video2,rank"):
        read_pairs(path)
