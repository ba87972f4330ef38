"""Repeat a run from its folder, and say whether its figures come out again."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from experiments.comparison.runs import Run
from records.errors import UserError
from records.runs import read_metrics

TRAIN = Path(__file__).resolve().parents[2] / "train.py"
# Times, and lines that tell no result.
NO_RESULT = ("seconds", "time", "it/s")


def rerun(run: Run, out: Path) -> list[str]:
    """Fit anew with the run's resolved configuration, below ``out``.

    Returns:
        What differs, a line each with both values and their distance, the earliest step first; none where all is equal.

    Raises:
        UserError: The run is not finished, its configuration names classes of others, or the new fit did not end.
    """
    from runtime.layers import read_config
    from runtime.trusted_classes import TRUSTED_ONLY, refuse_foreign_classes

    if run.status.get("state") != "finished":
        mend = "finish the run first; the same command goes on"
        raise UserError("is not finished", where=str(run.folder), mend=mend)
    config = run.folder / "config.yaml"
    refuse_foreign_classes(read_config(config), str(config))
    words = ["fit", "--config", config, "--run.root", out, "--wandb.mode", "disabled"]
    names = ["--run.experiment", run.experiment, "--run.variant", run.variant, "--seed_everything", run.seed]
    command = [sys.executable, *map(str, [TRAIN, *words, *names])]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, env={**os.environ, TRUSTED_ONLY: "1"}, check=False)
    if done.returncode:
        what = f"the new fit ended with {done.returncode}"
        raise UserError(what, where=str(config), mend="mend what it says above")
    return differences(run.folder, out / run.experiment / run.folder.name)


def differences(old: Path, new: Path) -> list[str]:
    """Figures of two runs of one configuration that are not the same to the last digit.

    Compared are the lines of ``metrics.jsonl`` that both have, by step and name, and the tables of predictions or of
    image scores of the validation split.
    """
    before, after = _by_step(old), _by_step(new)
    both = sorted(before.keys() & after.keys())
    said = [_told(f"step {key[0]}: {key[1]}", before[key], after[key]) for key in both if before[key] != after[key]]
    if lost := sorted(before.keys() ^ after.keys()):
        step, name = lost[0]
        said.append(f"step {step}: {name} stands in one of the two only, and {len(lost) - 1} others")
    rows = [Run(folder, "", "", 0).items("val") for folder in (old, new)]
    for id in sorted(rows[0].keys() | rows[1].keys()):
        mine, other = (table[id].values if id in table else {} for table in rows)
        said += [_told(f"{id}: {name}", mine.get(name), other.get(name))
                 for name in sorted(mine.keys() | other.keys()) if mine.get(name) != other.get(name)]  # fmt: skip
    return said


def _by_step(folder: Path) -> dict[tuple[int, str], Any]:
    return {
        (row["step"], name): value
        for row in read_metrics(folder)
        for name, value in row.items()
        if name not in ("step", "epoch") and not any(word in name for word in NO_RESULT)
    }


def _told(name: str, before: Any, after: Any) -> str:
    if isinstance(before, int | float) and isinstance(after, int | float):
        return f"{name} was {before!r} and is {after!r} ({after - before:+.3g})"
    return f"{name} was {before!r} and is {after!r}"
