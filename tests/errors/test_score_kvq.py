"""`score kvq` refuses wrong tables: labels, predictions, pairs."""

import os

import pytest

LABELS = "filename,score,split\na.mp4,1,val\nb.mp4,2,val\nc.mp4,3,test\n"
PREDICTIONS = "filename,score\na.mp4,1\nb.mp4,2\nc.mp4,3\n"
PAIRS = "kind,video1,video2,rank\nnonsource,a.mp4,b.mp4,1\nsource,a.mp4,c.mp4,2\n"
SCORE = "score kvq --labels l.csv --predictions p.csv --pairs r.csv"

# The file that is wrong, what is in it, and the words that tell it.
WRONG = [
    ("l.csv", None, "l.csv: no such file; mend the path"),
    ("l.csv", "", "l.csv: holds no rows; expected a header filename,score"),
    ("l.csv", b"\xff\xfe\x00a,1\n", "l.csv: is not UTF-8 text; save it as CSV UTF-8"),
    ("l.csv", 'filename,score\n"a.mp4\n' + "x" * 140_000, "l.csv: row ... save it as CSV UTF-8"),
    ("l.csv", "file,mos,x\na.mp4,1,2\n", "row 1 is neither a header with a column filename nor a list of 4 columns"),
    ("l.csv", "filename,score,mos\na.mp4,1,2\n", "has 2 columns for the score: ... keep one of them"),
    ("l.csv", "filename,split\na.mp4,val\n", "has no column score; it has filename, split; add it"),
    ("l.csv", "filename,score,grup\na.mp4,1,x\n", "has an unknown column 'grup'; did you mean 'group'?"),
    ("l.csv", "filename,score\n", "holds a header and no rows; add one row per file"),
    ("l.csv", "filename,score\na.mp4\n", "row 2: 1 columns instead of 2; mend them in the file"),
    ("l.csv", "filename,score\na.mp4,1\na.mp4,2\n", "row 3: 'a.mp4' stands in row 2 already"),
    ("l.csv", "filename,score\na.mp4,\n", "row 2: no score for 'a.mp4'; scores may be empty only in a sealed split"),
    ("l.csv", "filename,score\na.mp4,high\n", "row 2: score 'high' is not a finite number"),
    ("l.csv", "filename,score\n../a.mp4,1\n", "row 2: file name '../a.mp4' is not a path below the data root"),
    ("l.csv", "filename,score\n./,1\n", "row 2: the file name is empty"),
    ("l.csv", f"filename,score\n{'x' * 300}.mp4,1\n", "row 2: file name 'xxx ... is longer than a file name can be"),
    ("l.csv", "filename,score\na\0b.mp4,1\n", "row 2: file name 'a\\x00b.mp4' holds a letter that no file name can"),
    ("p.csv", None, "p.csv: no such file; mend the path"),
    ("p.csv", "", "p.csv: holds no rows; expected a header filename,score"),
    ("p.csv", "name,score\na.mp4,1\n", "has no column filename or id; it has name, score; name the column filename"),
    ("p.csv", "filename,score\na.mp4\n", "row 2: 1 columns instead of 2"),
    ("p.csv", "filename,score\na.mp4,x\n", "row 2: score 'x' is not a number"),
    ("p.csv", "PAR1 and no more", "p.csv: is not a readable Parquet table ... let the run write it again"),
    (
        "p.csv",
        "filename,score\na.mp4,1\nd.mp4,2\n",
        "2 labelled files have no prediction ... 1 prediction is of no labelled",
    ),
    ("p.csv", PREDICTIONS + "a.mp4,4\n", "1 file is predicted twice (a.mp4); the labels hold the splits test, val"),
    ("p.csv", PREDICTIONS.replace("c.mp4,3", "c.mp4,"), "1 prediction is not finite (c.mp4)"),
    ("r.csv", None, "r.csv: no such file; mend the path"),
    ("r.csv", "a,b,c\n", "does not start with the header kind,video1,video2,rank; put it there"),
    ("r.csv", PAIRS + "source,a.mp4\n", "row 4: 2 columns instead of 4; mend them in the file"),
    ("r.csv", PAIRS + "other,a.mp4,b.mp4,1\n", "row 4: kind 'other' is neither nonsource nor source"),
    ("r.csv", PAIRS + "source,a.mp4,b.mp4,3\n", "row 4: rank '3' is neither 1 nor 2"),
    ("r.csv", PAIRS + "source,a.mp4,a.mp4,1\n", "row 4: 'a.mp4' is paired with itself"),
    ("r.csv", PAIRS + "source,a.mp4,d.mp4,1\n", "1 file is not scored (d.mp4); write names as the labels do"),
    ("r.csv", PAIRS.partition("source,a.mp4,c")[0], "holds no source pair of the files scored ... leave --pairs out"),
    ("r.xlsx", "no workbook", "is not a readable xlsx workbook ... save it as xlsx again"),
    ("r.xlsx", None, "r.xlsx: no such file; mend the path"),
]


# What is typed, what the environment says, and the words that tell what is wrong.
LIMITED = [
    ("TEXT_BYTES", "10", "l.csv: 58 bytes are over the limit of 10; set SUGC_MAX_TEXT_BYTES higher where you trust it"),
    ("TEXT_BYTES", "much", "SUGC_MAX_TEXT_BYTES: 'much' is not a whole number above 0; mend or unset it"),
    ("UNPACKED_BYTES", "10", "r.xlsx: it unpacks to ... bytes, over 10; set SUGC_MAX_UNPACKED_BYTES higher"),
]


@pytest.fixture
def tables(tmp_path):
    for name, text in (("l.csv", LABELS), ("p.csv", PREDICTIONS), ("r.csv", PAIRS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def put(path, content):
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(("file", "content", "told"), WRONG, ids=[told[:50] for _, _, told in WRONG])
def test_wrong_tables(tables, refused, says, file, content, told):
    put(tables / file, content)
    says(refused(*SCORE.replace("r.csv", file if file.startswith("r.") else "r.csv").split()), told)


def test_a_workbook_without_its_sheets(tables, refused, says):
    openpyxl = pytest.importorskip("openpyxl")
    openpyxl.Workbook().save(tables / "r.xlsx")
    told = refused(*SCORE.replace("r.csv", "r.xlsx").split())
    says(told, "has no sheet nonsource and no sheet source; it has Sheet; name the sheets nonsource and source")


@pytest.mark.parametrize(("name", "value", "told"), LIMITED, ids=[f"{name} {value}" for name, value, _ in LIMITED])
def test_tables_over_a_limit(tables, refused, says, monkeypatch, name, value, told):
    openpyxl = pytest.importorskip("openpyxl")
    openpyxl.Workbook().save(tables / "r.xlsx")
    monkeypatch.setenv(f"SUGC_MAX_{name}", value)
    says(refused(*SCORE.replace("r.csv", "r.xlsx").split()), told)


def test_a_table_that_is_a_pipe(tables, refused, says):
    (tables / "l.csv").unlink()
    os.mkfifo(tables / "l.csv")
    says(refused(*SCORE.split()), "l.csv: cannot be read: it is a folder, a pipe or a device; give a file")


def test_a_table_that_the_disk_does_not_give(tables, refused, says, torn):
    torn("l.csv")
    says(refused(*SCORE.split()), "l.csv: cannot be read (Input/output error); give a file that you may read")


def test_a_workbook_without_its_reader(tables, refused, says, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    told = refused(*SCORE.replace("r.csv", "r.xlsx").split())
    says(told, "reading a workbook needs openpyxl; pip install -e '.[xlsx]'")


def test_a_table_that_holds_no_numbers(tables, refused, says):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"id": ["a.mp4"], "prediction": ["x"]}), tables / "p.csv")
    says(
        refused(*SCORE.split()), "p.csv: its column prediction is of string, not of numbers; let the run write it again"
    )


def test_a_split_that_is_not_there(tables, refused, says):
    says(refused(*SCORE.split(), "--split", "nope"), "l.csv: has no split 'nope'; its splits are test, val")


def test_a_sealed_split_is_not_scored(tables, refused, says):
    put(tables / "l.csv", LABELS.replace("c.mp4,3", "c.mp4,"))
    says(
        refused(*SCORE.split(), "--split", "test"), "1 label has no score (c.mp4); score them, or name another --split"
    )


def test_scores_that_cannot_be_written(tables, refused, says):
    (tables / "file").write_text("")
    told = refused(*SCORE.split(), "--json", "file/scores.json")
    says(told, "file/scores.json: cannot be written (Not a directory); make room there, or name a place")
