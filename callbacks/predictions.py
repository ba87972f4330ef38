"""The prediction table of a run: one row a video, the basis of every later comparison."""

import math
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L

from callbacks.labeller import labeller
from records.errors import UserError
from records.label_parts import LabelledIds, LabelPart
from records.predictions import Prediction, read_predictions, write_predictions

FILE = "predictions.parquet"
# One file of JSON lines a rank, until `predict` is done.
PARTS = "predictions.parts"


class PredictionTable(L.Callback):
    """Keep ``predictions.parquet`` of the run folder: for each split the rows of its newest, in a fit its best, scores.

    ``predict`` puts every batch on disk at once, a file a rank, and merges the files when all ranks are done. The same
    command goes on where it was stopped; one with another checkpoint begins anew. The table is left alone where a
    callback that ``replaces_predictions`` is at work.
    """

    def __init__(self) -> None:
        self.best: float | None = None
        self._parts, self._identity = Path(), dict[str, Any]()
        self._part: LabelPart | None = None

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

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Find out what the same checkpoint predicted before it was stopped; that is not predicted again."""
        if stage != "predict" or _replaced(trainer):
            return
        self._parts, self._identity = _folder(trainer) / PARTS, labeller(trainer, pl_module)
        if trainer.is_global_zero:
            try:
                LabelledIds(self._parts, self._identity)
            except UserError:  # of another checkpoint, whose prediction nobody went on with
                shutil.rmtree(self._parts)
        # All ranks leave out the same clips, before one of them has predicted another.
        trainer.strategy.barrier("predictions known")
        trainer.datamodule.leave_out(LabelledIds(self._parts, self._identity))  # type: ignore[attr-defined]

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
        if not _replaced(trainer) and outputs:
            self._part = self._part or LabelPart(self._parts, trainer.global_rank, self._identity)
            self._part.add((id, float(score), math.nan) for id, score, *_ in outputs)

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Merge the rows of all ranks in the order of their ids."""
        if _replaced(trainer):
            return
        if self._part is not None:
            self._part.close()
        trainer.strategy.barrier("predictions written")
        if not trainer.is_global_zero:
            return
        labels = sorted(trainer.datamodule.labels("predict"), key=lambda label: label.id)  # type: ignore[attr-defined]
        known, scores, _ = LabelledIds(self._parts, self._identity).find([label.id for label in labels])
        rows = [
            Prediction(label.id, float(score), label.score, "label" if label.score is not None else "", label.content)
            for label, score, predicted in zip(labels, scores, known, strict=True)
            if predicted
        ]
        _write(trainer, rows, "predict")
        shutil.rmtree(self._parts, ignore_errors=True)


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
