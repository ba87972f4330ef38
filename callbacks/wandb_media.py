"""Prediction table, scatter and clips of a run, for its W&B dashboard."""

import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np

from callbacks.dashboard import DashboardMedia, Medium, panel, table
from metrics.correlation import logistic4
from records.predictions import Prediction

COLUMNS = ["id", "prediction", "label", "error", "content"]
# Side of a clip's picture, pixels.
SIDE = 320


class WandbMedia(DashboardMedia):
    """Show what a score hides: which clips are far off, and how predictions bend against labels.

    Args:
        max_rows: Most rows in the prediction table; the largest errors are kept.
        thumbnails: Worst clips shown, and as many best ones.
    """

    def __init__(self, max_rows: int = 2000, thumbnails: int = 3) -> None:
        super().__init__()
        self.max_rows, self.thumbnails = max_rows, thumbnails

    def media(self, trainer: L.Trainer, pl_module: L.LightningModule, split: str, folder: Path) -> Iterator[Medium]:
        """Prediction table, scatter, and the middle frames of clips as panels and in a table."""
        import wandb

        rows = [row for row in pl_module.score_rows(split) if row.target is not None]  # type: ignore[operator]
        if not rows:
            return
        by_error = sorted(rows, key=lambda row: -_error(row))
        yield table("predictions", COLUMNS, [_cells(row) for row in by_error[: self.max_rows]])
        picture = folder / "scatter.png"
        if draw_scatter(rows, picture):
            yield "scatter", wandb.Image(str(picture)), picture.stat().st_size
        cells = []
        for name, chosen in (("worst", by_error[: self.thumbnails]), ("best", by_error[::-1][: self.thumbnails])):
            shown = []
            for place, row in enumerate(chosen):
                picture = folder / f"{name}{place}.jpg"
                if _draw_clip(trainer.datamodule, row.id, picture):  # type: ignore[attr-defined]
                    shown.append((picture, f"{row.id}: label {row.target:.2f}, predicted {row.prediction:.2f}"))
                    cells.append([name, picture, *_cells(row)])
            if shown:
                yield panel(f"{name}_clips", shown)
        if cells:
            yield table("clips", ["shown", "frame", *COLUMNS], cells)


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


def _cells(row: Prediction) -> list[Any]:
    return [row.id, row.prediction, row.target, row.prediction - float(row.target or 0.0), row.content]


def _error(row: Prediction) -> float:
    error = abs(row.prediction - float(row.target or 0.0))
    return error if math.isfinite(error) else math.inf
