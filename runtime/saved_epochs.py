"""Which checkpoints a fit writes, and when."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from records.errors import UserError
from runtime.options import CheckpointOptions


class LastEpoch(ModelCheckpoint):
    """Keeps the newest state, and that of a run that an error stops.

    Lightning's callback also saves when the error is that a checkpoint could not be taken up: half of it would then
    stand in the place of the whole. And it saves in the middle of a batch whose gradients are being added to those of
    the batches before it: the run that goes on would add them again. The checkpoint before then stays.
    """

    _trains = False
    _adds = False

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        """From here on gradients are those of a part of this batch and of the batches before it."""
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        self._adds = done % trainer.accumulate_grad_batches > 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """They are whole again."""
        self._adds = False
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """From here on all state is taken up."""
        super().on_train_start(trainer, pl_module)
        self._trains = True

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Save, where there is something to save."""
        if self._trains and not self._adds:
            super().on_exception(trainer, pl_module, exception)


class TopEpochs(ModelCheckpoint):
    """Keeps some of the best epochs; a class of its own, as two of one class that watch one score share their state."""


def savers(folder: Path, options: CheckpointOptions, model: Any) -> list[L.Callback]:
    """What saves ``best.ckpt``, ``last.ckpt`` and, where they are wanted, the best epochs by name.

    Args:
        folder: Folder of the checkpoints.
        options: When to save, and what to keep.
        model: The task, which names the score to select on.
    """
    if options.top < 0:
        mend = "give how many to keep beside best.ckpt, or 0"
        raise UserError(f"{options.top} epochs cannot be kept", where="checkpoint.top", mend=mend)
    common: dict[str, Any] = {
        "dirpath": str(folder),
        "enable_version_counter": False,
        "auto_insert_metric_name": False,
    }
    chosen: dict[str, Any] = {"monitor": model.monitor, "mode": model.mode, **common}
    found: list[L.Callback] = [ModelCheckpoint(filename="best", **chosen)]
    if options.top:
        found.append(TopEpochs(filename="epoch-{epoch:03d}", save_top_k=options.top, **chosen))
    # Separate from `best`, which must not be overwritten by what a signal interrupts.
    found.append(LastEpoch(filename="last", save_on_exception=True, save_on_train_epoch_end=True, **common))
    if options.minutes:
        interval = timedelta(minutes=options.minutes)
        found.append(ModelCheckpoint(filename="last", train_time_interval=interval, **common))
    return found
