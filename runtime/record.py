"""Our own record of a run: one line a validation in `metrics.jsonl`, on disk at once."""

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from records.files import append_line, read_lines

FILE = "metrics.jsonl"


class RunRecord(Logger):
    """Logger that loses nothing to a kill: W&B may lose its last 32 KiB.

    One line for every validation, and for training as often as ``trainer.log_every_n_steps`` says; rank zero only.
    A value that is not finite is written as null, which every JSON reader understands.

    Args:
        folder: Run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = Path(folder)

    @property
    def name(self) -> str:
        """Experiment."""
        return self.folder.parent.name

    @property
    def version(self) -> str:
        """Variant and seed."""
        return self.folder.name

    @property
    def log_dir(self) -> str:
        """Run folder."""
        return str(self.folder)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the configuration has a file of its own, and figures stand in the summary."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one line."""
        values = {name: _finite(value) for name, value in metrics.items()}
        epoch = values.pop("epoch", None)
        append_line(self.folder / FILE, {"step": step, "epoch": epoch, **values})


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Lines of ``metrics.jsonl`` in order of step, each step's values once.

    A run that was killed and goes on repeats the steps after its last checkpoint: of lines with the same step and the
    same names the newest counts. Torn and foreign lines are passed over.

    Args:
        folder: Run folder; one without a record has no lines.
    """
    kept: dict[tuple[int, frozenset[str]], dict[str, Any]] = {}
    for row in read_lines(folder / FILE):
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            kept[row["step"], frozenset(row)] = row
    return sorted(kept.values(), key=lambda row: row["step"])


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
