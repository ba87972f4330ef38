"""Who predicts, so that rows of two makers never meet in one table."""

from typing import Any

import lightning as L

from callbacks.run_facts import arguments_of
from records.hashing import file_hash, value_hash


def labeller(trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
    """Hashes of the checkpoints, and of the network and views they are used with, and what stands in for features.

    Args:
        trainer: With the data module, and the run's configuration in its callbacks.
        pl_module: The task; its ``members``, else its ``checkpoint``, are what predicts.
    """
    checkpoint: Any = getattr(pl_module, "checkpoint", None)
    paths = list(getattr(pl_module, "members", ())) or [checkpoint]
    model, data = arguments_of(trainer, "model"), arguments_of(trainer, "data")
    config = [model.get("network"), data.get("views"), data.get("reader")]
    return {
        "teacher": sorted(file_hash(path) for path in paths if path is not None),
        "config": value_hash(config),
        "stand_ins": list(getattr(trainer.datamodule, "stand_ins", ())),  # type: ignore[attr-defined]
    }
