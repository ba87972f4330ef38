"""Restored images of a run: files of a prediction, and pictures in its dashboard."""

import math
import tempfile
import warnings
from pathlib import Path, PurePosixPath
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import WandbLogger

from records.images import to_picture, write_image

FOLDER = "restored"
# Side of the middle part that the dashboard shows, pixels.
SIDE = 320


class RestoredImages(L.Callback):
    """Write what ``predict`` restores, and show W&B what validation restores.

    ``predict`` writes ``restored/<id>.png`` below the run folder, unless a callback that ``replaces_predictions`` is
    at work. After every validation that is the best so far, the first images stand in the dashboard as put in, restored
    and true, side by side. A failure of the dashboard is one warning; training goes on.

    Args:
        max_mb: Most megabytes of pictures in the dashboard of one run.
    """

    def __init__(self, max_mb: float = 50.0) -> None:
        self.max_mb, self.used = max_mb, 0.0
        self.best: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Best score and megabytes used so far."""
        return {"best": self.best, "used": self.used}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore them."""
        self.best, self.used = state["best"], float(state["used"])

    def on_predict_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: dict[str, Any],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the images of one batch."""
        if any(getattr(callback, "replaces_predictions", False) for callback in trainer.callbacks):  # type: ignore[attr-defined]
            return
        for id, picture in zip(outputs["id"], outputs.get("sr", ()), strict=True):
            # An id is a path below the data root and must stay below ours.
            parts = [part for part in PurePosixPath(id).with_suffix(".png").parts if part not in ("..", "/")]
            write_image(Path(trainer.default_root_dir, FOLDER, *parts), to_picture(picture))

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the best validation so far."""
        logger = next((logger for logger in trainer.loggers if isinstance(logger, WandbLogger)), None)
        if trainer.sanity_checking or trainer.state.fn != "fit" or not trainer.is_global_zero or logger is None:
            return
        score = float(trainer.callback_metrics.get(str(pl_module.monitor), math.nan))
        sign = 1 if pl_module.mode == "max" else -1
        if self.used >= self.max_mb or not (self.best is None or sign * score > sign * self.best):
            return
        self.best = score
        try:
            import wandb

            with tempfile.TemporaryDirectory() as folder:
                images = []
                for place, (id, parts) in enumerate(pl_module.shown):  # type: ignore[arg-type]
                    path = Path(folder, f"{place}.png")
                    write_image(path, side_by_side(parts))
                    self.used += path.stat().st_size / 1e6
                    images.append(wandb.Image(str(path), caption=id))
                if images:
                    step = {"trainer/global_step": max(0, trainer.global_step - 1)}
                    log = getattr(logger, "log_media", logger.experiment.log)
                    log({"val/restored": images} | step)
        except Exception as error:  # the dashboard is never worth a run
            warnings.warn(f"W&B pictures were not logged: {type(error).__name__}: {error}", stacklevel=2)


def side_by_side(parts: list[torch.Tensor], side: int = SIDE) -> np.ndarray:
    """The middle of what was put in, enlarged pixel by pixel, of what came out, and of the truth.

    Args:
        parts: (3, h, w) each in [0, 1]; the first may be smaller than the others.
        side: Largest height and width of one part, pixels.

    Returns:
        uint8 (height, sum of widths, 3).
    """
    height, width = parts[-1].shape[-2:]
    cut = (min(side, height), min(side, width))
    top, left = (height - cut[0]) // 2, (width - cut[1]) // 2
    shown = []
    for part in parts:
        whole = torch.nn.functional.interpolate(part[None], size=(height, width), mode="nearest")[0]
        shown.append(whole[:, top : top + cut[0], left : left + cut[1]])
    return to_picture(torch.cat(shown, dim=2))
