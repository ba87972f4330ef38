import json
import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from runtime.run_index import COLUMNS, write_index


class Page(HTMLParser):
    """The table of a page as texts, with the links and the attributes of elements."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []
        self._cell = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.sources += [str(values[name]) for name in ("src", "href", "action", "data") if name in values]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True
        if tag == "a":
            self.links.append(values["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data

    def row(self, name: str) -> dict[str, str]:
        (found,) = (row for row in self.rows[1:] if row[0] == name)
        return dict(zip(COLUMNS, found, strict=True))


def make_run(root: Path, name: str, status: object, summary: object = None, scores: list[float] = ()) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(status if isinstance(status, str) else json.dumps(status))
    if summary is not None:
        (folder / "summary.json").write_text(summary if isinstance(summary, str) else json.dumps(summary))
    lines = [json.dumps({"step": step, "epoch": step, "val/final_score": score}) for step, score in enumerate(scores)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_a_finished_run_shows_its_figures(tmp_path: Path) -> None:
    summary = {
        "val": {"score": 0.91234, "interval": [0.9, 0.92]},
        "test": {"score": 0.8765},
        "gmacs": 47.41,
        "params_m": 33.04,
    }
    status = {"state": "finished", "epoch": 30, "updated": 1.7e9, "seconds": 90.0}
    make_run(tmp_path, "student/base-seed0", status, summary, [0.1, 0.5, 0.9])
    row = Page(write_index(tmp_path)).row("student/base-seed0")
    assert (row["state"], row["score"], row["test"], row["epochs"]) == ("finished", "0.9123", "0.8765", "30")
    assert (row["GMACs"], row["params"], row["minutes"]) == ("47.41", "33.04", "1.5")
    assert row["interval"] == "0.900 \u2013 0.920" and row["updated"].startswith("2023-11-1")


def test_a_running_run_shows_its_best_so_far_and_its_course(tmp_path: Path) -> None:
    make_run(tmp_path, "student/base-seed0", {"state": "running"}, None, [0.1, 0.7, 0.5])
    page = Page(write_index(tmp_path))
    assert page.row("student/base-seed0")["score"] == "0.7000"
    assert page.row("student/base-seed0")["course"] == "0.100 to 0.700, last 0.500"
    text = (tmp_path / "index.html").read_text()
    (points,) = (part.partition("'")[0] for part in text.split("points='")[1:])
    ys = [float(point.split(",")[1]) for point in points.split()]
    assert len(ys) == 3 and ys[1] < ys[2] < ys[0]  # up is better


@pytest.mark.parametrize(
    ("status", "summary", "metrics"),
    [
        ("", "", ""),
        ("{to", "{to", '{"step": 1, "val/fi'),
        ("[1]", "[1]", "[1]\n3\nnull"),
        (
            '{"state": [1], "epoch": "x", "updated": "x", "seconds": true}',
            '{"val": [1], "test": 3, "gmacs": "x"}',
            '{"step": 0, "val/final_score": "x"}\n{"step": 1, "val/final_score": null}',
        ),
        (
            '{"epoch": NaN, "updated": null}',
            '{"val": {"score": NaN, "interval": [1, null]}, "params_m": Infinity}',
            '{"step": "x"}',
        ),
        ('{"state": "running"}', '{"val": {"score": null, "interval": null}}', b"\xff\xfe"),
    ],
)
def test_half_written_runs_do_not_hide_the_others(tmp_path: Path, status: str, summary: str, metrics: str) -> None:
    folder = make_run(tmp_path, "student/torn-seed0", status, summary)
    (folder / "metrics.jsonl").write_bytes(metrics.encode() if isinstance(metrics, str) else metrics)
    make_run(tmp_path, "student/whole-seed0", {"state": "finished"}, {"val": {"score": 0.5}})
    (tmp_path / "student/begun-seed0").mkdir()
    (tmp_path / "student/begun-seed0/config.yaml").write_text("{}")
    page = Page(write_index(tmp_path))
    assert len(page.rows) == 4 and all(len(row) == len(COLUMNS) for row in page.rows)
    assert page.row("student/whole-seed0")["score"] == "0.5000"
    assert page.row("student/torn-seed0")["score"] == ""


def test_text_is_escaped_and_links_lead_to_the_folders(tmp_path: Path) -> None:
    name = "<script>alert(1)<b>/'odd' & \"more\" #1 50%-seed0"
    make_run(tmp_path, name, {"state": "<i>failed'", "error": "'><img src=x>"}, {"git": "</script>"})
    page = Page(write_index(tmp_path))
    assert page.row(name)["state"] == "<i>failed'"
    assert page.tags.count("script") == 1 and "img" not in page.tags and "i" not in page.tags
    assert (tmp_path / unquote(page.links[0])).is_dir()


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, "student/base-seed0", {"state": "finished"}, None, [0.1, 0.2])
    text = write_index(tmp_path).read_text()
    assert Page(tmp_path / "index.html").sources == ["student/base-seed0/"]
    assert "://" not in text and "url(" not in text and "@import" not in text and "fetch(" not in text


def test_no_runs_and_hidden_folders(tmp_path: Path) -> None:
    make_run(tmp_path, ".dry-run/base-seed0", {"state": "finished"})
    assert "0 runs" in write_index(tmp_path).read_text()


def test_the_page_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write_index(tmp_path).read_text()
    make_run(tmp_path, "student/base-seed0", {"state": "finished"})

    def fail(*_) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_index(tmp_path)
    assert (tmp_path / "index.html").read_text() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["index.html"]
