"""The prediction table of a run: one row a video, the basis of every later comparison."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L

from records.errors import UserError
from records.files import append_line, read_lines
from records.predictions import Prediction, read_predictions, write_predictions

FILE = "predictions.parquet"
# One file of JSON lines a rank, while `predict` runs.
PARTS = "predict-part-*.jsonl"


class PredictionTable(L.Callback):
    """Keep ``predictions.parquet`` of the run folder: for each split the rows of its newest, in a fit its best, scores.

    ``predict`` puts every batch on disk at once, a file a rank, and merges the files when all ranks are done; it leaves
    the table alone where a callback that ``replaces_predictions`` is at work.
    """

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
            if self.best is not None and not score > self.best:
                return
            self.best = None if math.isnan(score) else score
        _write(trainer, pl_module.score_rows("val"))  # type: ignore[operator]

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the test rows."""
        _write(trainer, pl_module.score_rows("test"))  # type: ignore[operator]

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Clear away what a killed prediction left."""
        if _replaced(trainer):
            return
        if trainer.is_global_zero:
            for path in _folder(trainer).glob(PARTS):
                path.unlink()
        trainer.strategy.barrier("predictions cleared")

    def on_predict_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Sequence[tuple[Any, ...]],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Put the rows of one batch on disk."""
        if _replaced(trainer):
            return
        part = _folder(trainer) / PARTS.replace("*", str(trainer.global_rank))
        append_line(part, [[id, float(score)] for id, score, *_ in outputs])

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Merge the rows of all ranks in the order of their ids."""
        if _replaced(trainer):
            return
        trainer.strategy.barrier("predictions written")
        if not trainer.is_global_zero:
            return
        parts = sorted(_folder(trainer).glob(PARTS))
        scores = {id: score for part in parts for batch in read_lines(part) for id, score in batch}
        labels = {label.id: label for label in trainer.datamodule.labels("predict")}  # type: ignore[attr-defined]
        rows = [
            Prediction(id, score, labels[id].score, "label" if labels[id].score is not None else "", labels[id].content)
            for id, score in sorted(scores.items())
        ]
        _write(trainer, rows, "predict")
        for part in parts:
            part.unlink()


def _replaced(trainer: L.Trainer) -> bool:
    return any(getattr(callback, "replaces_predictions", False) for callback in trainer.callbacks)  # type: ignore[attr-defined]


def _folder(trainer: L.Trainer) -> Path:
    return Path(trainer.default_root_dir)


def _write(trainer: L.Trainer, rows: Sequence[Prediction], split: str | None = None) -> None:
    """Replace the rows of one split; those of the others stay."""
    if not trainer.is_global_zero or not rows:
        return
    path = _folder(trainer) / FILE
    split = split or rows[0].split
    rows = [Prediction(row.id, row.prediction, row.target, row.origin, row.content, split) for row in rows]
    try:
        others = [row for row in read_predictions(path) if row.split != split] if path.is_file() else []
    except UserError as error:
        # Not a reason to lose what was just computed.
        warnings.warn(f"the old prediction table is replaced: {error}", stacklevel=2)
        others = []
    write_predictions(path, [*others, *rows])
