"""Our own record of a run: one line a validation in `metrics.jsonl`, on disk at once."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from records.files import append_line, read_lines


class RunRecord(Logger):
    """Logger that loses nothing to a kill: W&B may lose its last 32 KiB.

    Args:
        folder: Run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.figures: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Experiment and variant."""
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
        """Keep figures such as the GFLOPs count for the summary; the configuration has its own file."""
        self.figures |= dict(vars(params) if isinstance(params, Namespace) else params)

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one line."""
        values = {name: float(value) for name, value in metrics.items()}
        epoch = values.pop("epoch", None)
        append_line(self.folder / "metrics.jsonl", {"step": step, "epoch": epoch, **values})


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Lines of ``metrics.jsonl`` in order of step.

    A killed run repeats the steps after its last checkpoint; of lines with the same step and names the newest counts.
    """
    kept: dict[tuple[Any, tuple[str, ...]], dict[str, Any]] = {}
    for row in read_lines(folder / "metrics.jsonl"):
        if isinstance(row, dict):
            kept[(row.get("step"), tuple(sorted(row)))] = row
    return sorted(kept.values(), key=lambda row: row.get("step") or 0)
