"""Rewrite the table of docs/reliability.md from the promises and what `make prove` measured."""

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
PAGE, PROMISES, FIGURES = HERE / "reliability.md", HERE / "promises.yaml", HERE / "proven.json"
BEGIN, END = "<!-- made by `make prove` from promises.yaml and proven.json -->", "<!-- end -->"


def promises() -> list[dict[str, Any]]:
    """Rows of the table: ``area``, ``promise``, ``tests`` and perhaps ``key``, with which keys of figures begin."""
    return yaml.safe_load(PROMISES.read_text(encoding="utf-8"))


def figures() -> dict[str, str]:
    """What was measured last, by key."""
    return json.loads(FIGURES.read_text(encoding="utf-8"))


def figure(key: str | None, measured: dict[str, str]) -> str:
    """What was measured under a key, or under several that begin with it."""
    if key is None:
        return "holds"
    found = {
        name.removeprefix(key).lstrip(":, "): told for name, told in sorted(measured.items()) if name.startswith(key)
    }
    return "<br>".join(f"{name}: {told}" if name else told for name, told in found.items()) or "not measured yet"


def keep(lines: Path) -> None:
    """Take the figures of a run of the tests over; those that it did not measure stay."""
    kept = figures()
    for line in lines.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        kept[row["key"]] = row["figure"]
    text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False)
    FIGURES.write_text(f"{text}\n", encoding="utf-8")


def table() -> str:
    """One table an area: the promise, the tests that hold it, the figure."""
    measured, rows, area = figures(), [], None
    for row in promises():
        if row["area"] != area:
            area = row["area"]
            rows += ["", f"### {area}", "", "| promise | held by | measured |", "|---|---|---|"]
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in row["tests"])
        rows.append(f"| {row['promise']} | {tests} | {figure(row.get('key'), measured)} |")
    return "\n".join([*rows[1:], ""])


def with_table(page: str) -> str:
    """The page with the text between its two marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> None:
    """Rewrite the page in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, help="JSON lines that the tests wrote")
    measured = parser.parse_args().measured
    if measured and measured.exists():
        keep(measured)
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
