"""The prediction table of a run: one row a video, the basis of every later comparison."""

from pathlib import Path
from typing import Any

import lightning as L
import torch

from records.predictions import Prediction, read_predictions, write_predictions


class PredictionTable(L.Callback):
    """Keep ``predictions.parquet`` of the run folder: for each split the rows of its newest, in a fit its best, scores.

    ``predict`` writes the rows of its split when the last batch is done.
    """

    def __init__(self) -> None:
        self.best = float("-inf")
        self._predicted: list[tuple[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """The best score so far, so that a resumed fit does not put worse rows in its place."""
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the best score."""
        self.best = float(state["best"])

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the validation rows; during a fit only when they are the best so far."""
        if trainer.state.fn == "fit":
            score = float(trainer.callback_metrics.get(str(pl_module.monitor), float("-inf")))
            if score <= self.best and self.best != float("-inf"):
                return
            self.best = score
        self._write(trainer, pl_module.score_rows("val"))  # type: ignore[operator]

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the test rows."""
        self._write(trainer, pl_module.score_rows("test"))  # type: ignore[operator]

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, index: int, loader: int = 0
    ) -> None:
        """Collect the rows of one batch."""
        self._predicted += outputs

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Gather the rows of all ranks and write them in the order of their ids."""
        rows = self._predicted
        if trainer.world_size > 1:
            gathered: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(gathered, rows)
            rows = [row for part in gathered for row in part]
        labels = {label.id: label for label in trainer.datamodule.labels("predict")}  # type: ignore[attr-defined]
        table = [
            Prediction(id, score, labels[id].score, "label" if labels[id].score is not None else "", labels[id].content)
            for id, score in sorted(dict(rows).items())
        ]
        self._write(trainer, table, "predict")

    def _write(self, trainer: L.Trainer, rows: list[Prediction], split: str | None = None) -> None:
        if not trainer.is_global_zero or not rows:
            return
        path = Path(trainer.default_root_dir) / "predictions.parquet"
        split = split or rows[0].split
        rows = [Prediction(row.id, row.prediction, row.target, row.origin, row.content, split) for row in rows]
        others = [row for row in read_predictions(path) if row.split != split] if path.is_file() else []
        write_predictions(path, [*others, *rows])
