"""Room for a run's checkpoints, asked for before the first step."""

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging

from callbacks.non_finite import tensors
from records.disk import DiskFull, is_disk_full, require

_MEND = "make room, or give --run.root a folder on another disk"


class DiskGuard(L.Callback):
    """Refuse a fit whose checkpoints will not fit on the disk, and leave the last good one alone when it fills up.

    Args:
        folder: Folder of the checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Ask on rank zero; every rank then goes on or ends alike."""
        size = checkpoint_bytes(trainer, pl_module)
        refusal: DiskFull | None = None
        if trainer.is_global_zero:
            # A new one stands beside the one it replaces until it is whole, and one before the last is kept.
            wanted = 2 + sum(kept.values()) if (kept := _kept(trainer)) else 0
            there = len(list(self.folder.glob("*.ckpt")))
            try:
                require(self.folder, size * max(1, wanted - there) if wanted else 0, "the run's checkpoints", _MEND)
            except DiskFull as error:
                refusal = error
        refusal = trainer.strategy.broadcast(refusal, src=0)
        if refusal is not None:
            raise refusal

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Do not try to save where there is no room; the callbacks that save come after this one."""
        if is_disk_full(exception):
            for callback in trainer.checkpoint_callbacks:
                callback.save_on_exception = False  # type: ignore[attr-defined]


def checkpoint_bytes(trainer: L.Trainer, module: L.LightningModule) -> int:
    """About how large a checkpoint of a fit will be, before the optimiser has taken a step; all ranks take part.

    Args:
        trainer: The trainer, with its optimisers.
        module: The task, which may leave parts of its state out.
    """
    probe = {"state_dict": dict(module.state_dict())}
    module.on_save_checkpoint(probe)
    state = sum(value.nbytes for _, value in tensors(probe))
    averaged = any(isinstance(callback, WeightAveraging) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    moments = 0
    for optimizer in trainer.optimizers:
        trained = sum(each.nbytes for group in optimizer.param_groups for each in group["params"])
        moments += trained * _moments(optimizer)
    return state * (1 + averaged) + moments


def _kept(trainer: L.Trainer) -> dict[str, int]:
    """By name, how many checkpoints the callbacks keep."""
    savers: list[Any] = list(trainer.checkpoint_callbacks)
    return {str(each.filename): max(1, each.save_top_k) for each in savers}


def _moments(optimizer: torch.optim.Optimizer) -> int:
    """Tensors that an optimiser keeps for each parameter."""
    if "betas" in optimizer.defaults:
        return 2
    return int(bool(optimizer.defaults.get("momentum")))
