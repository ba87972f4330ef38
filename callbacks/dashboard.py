"""Tables and pictures on their way to a run's dashboard."""

import json
import math
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning as L

# Name, W&B object and bytes of something to be shown.
Medium = tuple[str, Any, int]
# Bytes that W&B adds to a table for each column and for each picture, and a few more.
COLUMN, CELL = 200, 1000


class DashboardMedia(L.Callback):
    """Show more than numbers of every validation that is the best so far, and of a test; subclasses say what."""

    def __init__(self) -> None:
        self.best: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Best score so far."""
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore it."""
        self.best = state["best"]

    def media(self, trainer: L.Trainer, pl_module: L.LightningModule, split: str, folder: Path) -> Iterator[Medium]:
        """What to show, the most telling first.

        Args:
            trainer: The trainer.
            pl_module: The task.
            split: Split that was just evaluated.
            folder: Empty folder for files, which is gone afterwards.
        """
        raise TypeError(f"{type(self).__name__} does not say what it shows")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the best validation so far."""
        if trainer.sanity_checking:
            return
        if trainer.state.fn == "fit":
            score = float(trainer.callback_metrics.get(str(pl_module.monitor), math.nan))
            sign = -1 if getattr(pl_module, "mode", "max") == "min" else 1
            if not sign * score > (-math.inf if self.best is None else sign * self.best):
                return
            self.best = score
        self._show(trainer, pl_module, "val")

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the test."""
        self._show(trainer, pl_module, "test")

    def _show(self, trainer: L.Trainer, pl_module: L.LightningModule, split: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            media = self.media(trainer, pl_module, split, Path(folder))
            log_media(trainer, ((f"{split}/{name}", value, size) for name, value, size in media))


def log_media(trainer: L.Trainer, media: Iterable[Medium]) -> None:
    """Hand media to the dashboard, on rank zero; a failure is one warning.

    Args:
        trainer: The trainer; nothing happens where none of its loggers takes media.
        media: The media, made only as long as the run's budget lasts.
    """
    logger = next((logger for logger in trainer.loggers if hasattr(logger, "log_media")), None)
    if not trainer.is_global_zero or logger is None:
        return
    try:
        logger.log_media(media, max(0, trainer.global_step - 1))
    except Exception as error:  # the dashboard is never worth a run
        warnings.warn(f"W&B media were not logged: {type(error).__name__}: {error}", stacklevel=2)


def table(name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Medium:
    """A table; a cell that is a path becomes the picture there.

    Args:
        name: Name of the table.
        columns: Names of its columns.
        rows: Cells.
    """
    import wandb

    pictures = [cell for row in rows for cell in row if isinstance(cell, Path)]
    cells = [[wandb.Image(str(cell)) if isinstance(cell, Path) else cell for cell in row] for row in rows]
    # W&B keeps a table twice, as a file of the run and in an artifact.
    size = 2 * len(json.dumps([columns, *rows], default=str)) + COLUMN * len(columns)
    size += sum(path.stat().st_size + CELL for path in pictures)
    return name, wandb.Table(columns=list(columns), data=cells), size


def panel(name: str, pictures: Sequence[tuple[Path, str]]) -> Medium:
    """Pictures with captions.

    Args:
        name: Name of the panel.
        pictures: File and caption of each.
    """
    import wandb

    images = [wandb.Image(str(path), caption=caption) for path, caption in pictures]
    return name, images, sum(path.stat().st_size for path, _ in pictures)
