"""The table of image scores of a run: one row an image, the basis of every later comparison."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L

from records.errors import UserError
from records.image_scores import ImageScore, read_image_scores, write_image_scores

FILE = "image_scores.parquet"


class ImageScoreTable(L.Callback):
    """Keep ``image_scores.parquet``: for each split the rows of its newest, in a fit its best, scores."""

    def __init__(self) -> None:
        self.best: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """The best score so far, so that a resumed fit does not put worse rows in its place."""
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the best score."""
        self.best = state["best"]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the validation rows; during a fit only when they are the best so far."""
        if trainer.sanity_checking:
            return
        if trainer.state.fn == "fit":
            score = float(trainer.callback_metrics.get(str(pl_module.monitor), math.nan))
            sign = 1 if pl_module.mode == "max" else -1
            if self.best is not None and not sign * score > sign * self.best:
                return
            self.best = None if math.isnan(score) else score
        _write(trainer, pl_module.score_rows("val"))  # type: ignore[operator]

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the test rows."""
        _write(trainer, pl_module.score_rows("test"))  # type: ignore[operator]


def _write(trainer: L.Trainer, rows: Sequence[ImageScore]) -> None:
    """Replace the rows of one split; those of the others stay."""
    if not trainer.is_global_zero or not rows:
        return
    path = Path(trainer.default_root_dir) / FILE
    try:
        others = [row for row in read_image_scores(path) if row.split != rows[0].split] if path.is_file() else []
    except UserError as error:
        # Not a reason to lose what was just computed.
        warnings.warn(f"the old score table is replaced: {error}", stacklevel=2)
        others = []
    write_image_scores(path, [*others, *rows])
