"""A report says the same in Markdown, HTML and its tables."""

import csv
import json
from pathlib import Path

from experiments.analysis.report import Picture, Report, Table


def test_a_report_is_written_in_every_form(tmp_path: Path) -> None:
    table = Table("scores", ["system", "SROCC"], [["a|b", 0.123456], ["<c>", None]])
    report = Report(
        "Question on mini data",
        ["Only two contents."],
        ["## Result", "Some words.", ["first", "second"], table, Picture("shot", "a tile", b"\x89PNG")],
        {"best": 0.123456},
    )
    report.write(tmp_path)
    text, page = (tmp_path / "report.md").read_text(), (tmp_path / "report.html").read_text()
    assert "| a\\|b | 0.1235 |" in text and "| <c> |  |" in text and "![a tile](shot.png)" in text
    assert "&lt;c&gt;" in page and "<c>" not in page and "data:image/png;base64,iVBORw==" in page
    assert text.index("Only two contents.") < text.index("0.1235") and "<h2>Result</h2>" in page
    assert list(csv.reader((tmp_path / "scores.csv").open())) == [["system", "SROCC"], ["a|b", "0.123456"], ["<c>", ""]]
    assert (tmp_path / "shot.png").read_bytes() == b"\x89PNG"
    assert json.loads((tmp_path / "figures.json").read_text()) == {"best": 0.123456}
