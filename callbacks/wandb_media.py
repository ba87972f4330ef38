"""Prediction table, scatter and clips of a run, for its W&B dashboard."""

import json
import math
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.loggers import WandbLogger

from metrics.correlation import logistic4
from records.predictions import Prediction

COLUMNS = ["id", "prediction", "label", "error", "content"]
# Side of a clip's picture, pixels.
SIDE = 320


class WandbMedia(L.Callback):
    """Show what a score hides: which clips are far off, and how predictions bend against labels.

    Logged after every validation that is the best so far, and after a test; rank zero only, and only where a
    WandbLogger is at work. A failure is one warning; training goes on.

    Args:
        max_rows: Most rows in a prediction table; the largest errors are kept.
        thumbnails: Worst clips shown, and as many best ones.
        max_mb: Most megabytes of media in one run; afterwards only numbers are logged.
    """

    def __init__(self, max_rows: int = 2000, thumbnails: int = 3, max_mb: float = 50.0) -> None:
        self.max_rows, self.thumbnails, self.max_mb = max_rows, thumbnails, max_mb
        self.best: float | None = None
        self.used = 0.0
        self._full = False

    def state_dict(self) -> dict[str, Any]:
        """Best score and megabytes used so far."""
        return {"best": self.best, "used": self.used}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore them."""
        self.best, self.used = state["best"], float(state["used"])

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Put the hash of the splits beside the configuration, so that only like is compared with like."""
        split_hash = getattr(trainer.datamodule, "split_hash", None)  # type: ignore[attr-defined]
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger) and split_hash is not None:
                logger.log_hyperparams({"split_hash": split_hash})

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the best validation so far."""
        if trainer.sanity_checking:
            return
        if trainer.state.fn == "fit":
            score = float(trainer.callback_metrics.get(str(pl_module.monitor), math.nan))
            if not score > (-math.inf if self.best is None else self.best):
                return
            self.best = score
        self._log(trainer, pl_module, "val")

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the test predictions."""
        self._log(trainer, pl_module, "test")

    def _log(self, trainer: L.Trainer, pl_module: L.LightningModule, split: str) -> None:
        logger = next((logger for logger in trainer.loggers if isinstance(logger, WandbLogger)), None)
        if not trainer.is_global_zero or logger is None or self._full:
            return
        try:
            rows = [row for row in pl_module.score_rows(split) if row.target is not None]  # type: ignore[operator]
            with tempfile.TemporaryDirectory() as folder:
                found = self._within_budget(self._media(trainer, rows, Path(folder)) if rows else iter(()))
                if found:
                    step = {"trainer/global_step": max(0, trainer.global_step - 1)}
                    log = getattr(logger, "log_media", logger.experiment.log)
                    log({f"{split}/{name}": value for name, value in found.items()} | step)
        except Exception as error:  # the dashboard is never worth a run
            warnings.warn(f"W&B media were not logged: {type(error).__name__}: {error}", stacklevel=2)

    def _within_budget(self, media: Iterator[tuple[str, Any, int]]) -> dict[str, Any]:
        found = {}
        for name, value, size in media:
            if self.used + size / 1e6 > self.max_mb:
                self._full = True
                warnings.warn(f"W&B media have used up {self.max_mb:g} MB; from here on only numbers", stacklevel=4)
                break
            self.used += size / 1e6
            found[name] = value
        return found

    def _media(self, trainer: L.Trainer, rows: list[Prediction], folder: Path) -> Iterator[tuple[str, Any, int]]:
        """Name, W&B object and bytes of each medium, the most telling first."""
        import wandb

        by_error = sorted(rows, key=lambda row: -_error(row))
        table = [
            [row.id, row.prediction, row.target, row.prediction - float(row.target or 0.0), row.content]
            for row in by_error[: self.max_rows]
        ]
        yield "predictions", wandb.Table(columns=COLUMNS, data=table), len(json.dumps(table))
        picture = folder / "scatter.png"
        if draw_scatter(rows, picture):
            yield "scatter", wandb.Image(str(picture)), picture.stat().st_size
        for name, chosen in (("worst", by_error[: self.thumbnails]), ("best", by_error[::-1][: self.thumbnails])):
            images, size = [], 0
            for place, row in enumerate(chosen):
                picture = folder / f"{name}{place}.jpg"
                if _draw_clip(trainer.datamodule, row.id, picture):  # type: ignore[attr-defined]
                    caption = f"{row.id}: label {row.target:.2f}, predicted {row.prediction:.2f}"
                    images.append(wandb.Image(str(picture), caption=caption))
                    size += picture.stat().st_size
            if images:
                yield f"{name}_clips", images, size


def draw_scatter(rows: Sequence[Prediction], path: Path) -> bool:
    """Draw label against prediction with the fitted 4-parameter logistic.

    Args:
        rows: Predictions with targets; those that are not finite are left out.
        path: PNG file to write.

    Returns:
        False where matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    points = np.array([(row.prediction, row.target) for row in rows], float)
    prediction, target = points[np.isfinite(points).all(1)].T
    figure = Figure(figsize=(5, 5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.scatter(prediction, target, s=12, alpha=0.6)
    curve = logistic4(prediction, target)
    if curve is not None:
        line = np.linspace(prediction.min(), prediction.max(), 200)
        axes.plot(line, curve(line), color="tab:red", label="fitted 4-parameter logistic")
        axes.legend(loc="upper left")
    axes.set(xlabel="prediction", ylabel="MOS", title=f"{len(prediction)} clips")
    axes.grid(alpha=0.3)
    figure.savefig(path)
    return True


def _draw_clip(data: Any, id: str, path: Path) -> bool:
    """Write the middle frame of a clip as JPEG; False for a clip that has none to give."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage was told when the clip was scored
            image = Image.fromarray(data.thumbnail(id))
    except Exception:
        return False
    # W&B shows the pictures of one panel at one size.
    ImageOps.pad(image, (SIDE, SIDE)).save(path, quality=85)
    return True


def _error(row: Prediction) -> float:
    error = abs(row.prediction - float(row.target or 0.0))
    return error if math.isfinite(error) else math.inf
