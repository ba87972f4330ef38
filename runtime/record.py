"""Our own record of a run: one line a validation in `metrics.jsonl`, on disk at once."""

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from records.files import append_line
from records.runs import METRICS


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
        append_line(self.folder / METRICS, {"step": step, "epoch": epoch, **values})


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
