"""Prediction table, scatter and clips of a run, for its W&B dashboard."""

import warnings
from typing import Any

import lightning as L
import numpy as np

from metrics.correlation import logistic4
from records.predictions import Prediction


class WandbMedia(L.Callback):
    """Log what a score hides: which clips are far off, and how predictions bend against labels.

    Rank zero only. A failure is one warning; training goes on.

    Args:
        max_rows: Most rows in the prediction table.
        thumbnails: Worst and best clips shown.
        max_mb: Most megabytes of media in one run; afterwards only numbers are logged.
    """

    def __init__(self, max_rows: int = 2000, thumbnails: int = 3, max_mb: float = 50.0) -> None:
        self.max_rows, self.thumbnails, self.max_mb = max_rows, thumbnails, max_mb
        self.best = float("-inf")
        self.used = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Best score and megabytes used so far."""
        return {"best": self.best, "used": self.used}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore them."""
        self.best, self.used = float(state["best"]), float(state["used"])

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the best validation so far."""
        score = float(trainer.callback_metrics.get(str(pl_module.monitor), float("-inf")))
        if trainer.state.fn == "fit" and score <= self.best:
            return
        self.best = max(self.best, score)
        self._log(trainer, pl_module, "val")

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the test predictions."""
        self._log(trainer, pl_module, "test")

    def _log(self, trainer: L.Trainer, pl_module: L.LightningModule, split: str) -> None:
        if not trainer.is_global_zero:
            return
        run = next((logger.experiment for logger in trainer.loggers if type(logger).__name__ == "WandbLogger"), None)
        rows = [row for row in pl_module.score_rows(split) if row.target is not None]  # type: ignore[operator]
        if run is None or not rows or self.used >= self.max_mb:
            return
        try:
            media = self._media(trainer, rows, split)
            self.used += sum(value[1] for value in media.values())
            run.log({name: value[0] for name, value in media.items()})
        except Exception as error:  # the dashboard is never worth a run
            warnings.warn(f"W&B media were not logged: {type(error).__name__}: {error}", stacklevel=2)

    def _media(self, trainer: L.Trainer, rows: list[Prediction], split: str) -> dict[str, tuple[Any, float]]:
        """Name to W&B object and its megabytes."""
        import wandb

        by_error = sorted(rows, key=lambda row: -abs(row.prediction - (row.target or 0.0)))
        table = wandb.Table(columns=["id", "prediction", "label", "error", "content"])
        for row in by_error[: self.max_rows]:
            table.add_data(row.id, row.prediction, row.target, row.prediction - (row.target or 0.0), row.content)
        found: dict[str, tuple[Any, float]] = {f"{split}/predictions": (table, 1e-4 * min(len(rows), self.max_rows))}
        picture = scatter(rows)
        if picture is not None:
            found[f"{split}/scatter"] = (wandb.Image(picture), picture.nbytes / 4e6)
        for name, chosen in (("worst", by_error[: self.thumbnails]), ("best", by_error[::-1][: self.thumbnails])):
            images = [
                (wandb.Image(frame, caption=f"{row.id}: label {row.target:.2f}, predicted {row.prediction:.2f}"), frame)
                for row in chosen
                if (frame := _thumbnail(trainer, row.id)) is not None
            ]
            if images:
                size = sum(frame.nbytes for _, frame in images) / 2e6
                found[f"{split}/{name}_clips"] = ([image for image, _ in images], size)
        return found


def scatter(rows: list[Prediction]) -> np.ndarray | None:
    """Label against prediction with the fitted 4-parameter logistic, as RGB uint8; None without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    prediction = np.array([row.prediction for row in rows])
    target = np.array([row.target for row in rows], float)
    figure = Figure(figsize=(5, 5), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.scatter(prediction, target, s=12, alpha=0.6)
    curve = logistic4(prediction, target)
    if curve is not None:
        line = np.linspace(prediction.min(), prediction.max(), 200)
        axes.plot(line, curve(line), color="tab:red", label="fitted 4-parameter logistic")
        axes.legend(loc="upper left")
    axes.set(xlabel="prediction", ylabel="MOS")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _thumbnail(trainer: L.Trainer, id: str) -> np.ndarray | None:
    read = getattr(trainer.datamodule, "thumbnail", None)  # type: ignore[attr-defined]
    try:
        return None if read is None else read(id)
    except Exception:  # a damaged clip has no picture
        return None
