"""Record what a fit was made from and what it made, so that a chain of runs can be followed by hashes."""

from pathlib import Path
from typing import Any

import lightning as L

from records.hashing import file_hash
from records.lineage import Input


class Lineage(L.Callback):
    """Keep the hashes of a fit's inputs and of its best checkpoint for the summary, and tell them to W&B.

    A data module tells its own by ``inputs()``; the checkpoint that a task began with stands in its ``began_from``.

    Args:
        best: The fit's best checkpoint.
    """

    def __init__(self, best: Path) -> None:
        self.best = best
        self.inputs: list[Input] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Collect the inputs."""
        if not trainer.is_global_zero:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        self.inputs = list(data.inputs()) if hasattr(data, "inputs") else []
        if begun := getattr(pl_module, "began_from", {}):
            self.inputs.append(Input("checkpoint", begun["path"], begun["hash"]))
        split_hash = getattr(data, "split_hash", None)
        for logger in trainer.loggers:
            if hasattr(logger, "log_inputs"):
                logger.log_inputs([each.plain() for each in self.inputs])
                # Beside the configuration, so that only like is compared with like.
                logger.log_hyperparams({"split_hash": split_hash})

    @property
    def figures(self) -> dict[str, Any]:
        """What the summary says."""
        outputs = {self.best.name: file_hash(self.best)} if self.best.is_file() else {}
        return {"inputs": [each.plain() for each in self.inputs], "outputs": outputs}
