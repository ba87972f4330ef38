"""What a checkpoint must say of itself to be used without its config file."""

from typing import Any

import lightning as L

from records.provenance import environment

# Top-level key of our part of a checkpoint.
KEY = "sugc"


class RunFacts(L.Callback):
    """Put model configuration, views, label scale and training labels into every checkpoint, as plain values.

    Args:
        config: Resolved configuration of the run.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the facts to ``checkpoint``."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        facts: dict[str, Any] = {
            "model": self.config["model"],
            "run": self.config.get("run", {}),
            "environment": environment(),
            "efficiency": dict(getattr(pl_module, "efficiency", {})),
        }
        if data is not None and hasattr(data, "label_stats"):
            arguments = self.config["data"]["init_args"]
            mean, sd = data.label_stats()
            facts |= {
                "views": arguments["views"],
                "reader": arguments.get("reader", "pyav"),
                "label_mean": float(mean),
                "label_sd": float(sd),
                "train_scores": sorted(float(label.score) for label in data.labels("train")),
                "split_hash": data.split_hash,
                "stand_ins": list(getattr(data, "stand_ins", ())),
            }
        checkpoint[KEY] = facts


def config_of(trainer: L.Trainer) -> dict[str, Any]:
    """Resolved configuration of the run that a trainer is at work for; empty outside of one."""
    found = [callback.config for callback in trainer.callbacks if isinstance(callback, RunFacts)]  # type: ignore[attr-defined]
    return dict(found[0]) if found else {}


def arguments_of(trainer: L.Trainer, part: str) -> dict[str, Any]:
    """Arguments of the run's ``model`` or ``data``, as its configuration has them."""
    return dict((config_of(trainer).get(part) or {}).get("init_args") or {})
