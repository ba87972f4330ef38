"""Restored images of a prediction, as files."""

from pathlib import Path, PurePosixPath
from typing import Any

import lightning as L

from records.images import to_picture, write_image

FOLDER = "restored"


class RestoredImages(L.Callback):
    """Write ``restored/<id>.png`` below the run folder for every image that ``predict`` restores.

    Left alone where a callback that ``replaces_predictions`` is at work.
    """

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
