"""What a run was made from, followed through the records of other runs by hash."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.comparison.runs import Run
from records.runs import read_summary


def makers(root: Path) -> dict[str, str]:
    """Run that made each checkpoint below a folder of runs, by SHA-256 of the checkpoint."""
    found = {}
    for file in sorted(root.glob("*/*/summary.json")):
        outputs = read_summary(file.parent).get("outputs")
        for hash in outputs.values() if isinstance(outputs, dict) else ():
            found[str(hash)] = f"{file.parent.parent.name}/{file.parent.name}"
    return found


def made_from(run: Run, known: Mapping[str, str]) -> list[str]:
    """A line for everything that a run was made from, with the runs that made it where they are known.

    Args:
        run: The run.
        known: Result of :func:`makers`.
    """
    lines = []
    for each in run.summary.get("inputs") or []:
        if not isinstance(each, dict):
            continue
        hashes = [each.get("hash")] if each.get("kind") == "checkpoint" else each.get("made_by") or []
        by = ", ".join(known.get(str(hash), f"{str(hash)[:12]}") for hash in hashes if hash)
        lines.append(f"{each.get('kind')} {each.get('path')} ({_short(each)}){f' by {by}' if by else ''}")
    return lines


def _short(each: Mapping[str, Any]) -> str:
    return str(each.get("hash"))[:12]
