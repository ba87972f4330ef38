"""What stands in a run folder, read without the framework that wrote it."""

from pathlib import Path
from typing import Any

from records.files import read_json, read_lines

METRICS, STATUS, SUMMARY = "metrics.jsonl", "status.json", "summary.json"


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Lines of ``metrics.jsonl`` in order of step, each step's values once.

    A run that was killed and goes on repeats the steps after its last checkpoint: of lines with the same step and the
    same names the newest counts. Torn and foreign lines are passed over.

    Args:
        folder: Run folder; one without a record has no lines.
    """
    kept: dict[tuple[int, frozenset[str]], dict[str, Any]] = {}
    for row in read_lines(folder / METRICS):
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            kept[row["step"], frozenset(row)] = row
    return sorted(kept.values(), key=lambda row: row["step"])


def read_status(path: Path) -> dict[str, Any]:
    """The status of a run; an absent or torn file reads as an empty one."""
    return _mapping(path)


def read_summary(folder: Path) -> dict[str, Any]:
    """Final figures of a run; an absent or torn file reads as an empty one."""
    return _mapping(folder / SUMMARY)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
