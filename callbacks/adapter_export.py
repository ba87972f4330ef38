"""Trained adapters as safetensors, for programs that know diffusers and not this project."""

from pathlib import Path
from typing import Any

import lightning as L

from records.checkpoints import read_checkpoint
from records.errors import UserError
from records.files import atomic_path

FOLDER = "adapters"


class AdapterExport(L.Callback):
    """Write ``adapters/<name>.safetensors`` below the run folder when a fit ends, of the best checkpoint.

    Each file is in the form of diffusers' ``load_lora_adapter(prefix=None)``: keys without the adapter's name, its
    configuration as JSON in the metadata, beside the hash of the file. Without a best checkpoint the weights are those
    that the fit ended with.

    Attributes:
        told: What the end screen says of the files.
    """

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Refuse a model without adapters before it is trained."""
        if stage == "fit" and not hasattr(pl_module, "adapters"):
            told = f"{type(pl_module).__name__} trains no adapter"
            raise UserError(told, where="trainer.callbacks", mend="use AdapterExport with DiffusionSR")

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the files; rank zero."""
        from models.sr.dual_lora import save_adapter

        if not trainer.is_global_zero:
            return
        module: Any = pl_module
        folder = Path(trainer.default_root_dir, FOLDER)
        ended = {name: value.clone() for name, value in module.state_dict().items()}
        best = _best(trainer)
        if best is not None:
            module.load_state_dict(read_checkpoint(best, "checkpoint")["state_dict"])
        for name in module.adapters:
            with atomic_path(folder / f"{name}.safetensors") as temporary:
                save_adapter(module.network.backbone.unet, name, temporary)
        module.load_state_dict(ended)
        self.told = {"adapters": f"{', '.join(module.adapters)} in {folder}"}


def _best(trainer: L.Trainer) -> str | None:
    paths = [str(getattr(each, "best_model_path", "")) for each in trainer.checkpoint_callbacks if _chooses(each)]
    return next((path for path in paths if path and Path(path).is_file()), None)


def _chooses(callback: Any) -> bool:
    return getattr(callback, "monitor", None) is not None
