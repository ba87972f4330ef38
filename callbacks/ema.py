"""Weight averaging that a signal during validation cannot turn round."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_avg_fn


class EMA(EMAWeightAveraging):
    """Exponential moving average of the full state, swapped in for validation.

    Lightning's callback swaps averaged and raw weights for the time of a validation. A checkpoint that is saved
    because something stops the run in that time would hold them the wrong way round, so they are swapped back first.

    Tensors that a module names by ``constant_tensors()`` are neither copied nor averaged: a frozen base of a billion
    weights costs nothing, and rounding cannot move it.

    Args:
        decay: Share of the old average kept at each optimiser step, 0..1.
    """

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__(decay=decay, use_buffers=True)
        self._decay = decay
        self._swapped = False

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Begin the average when a fit begins."""
        constant = list(getattr(pl_module, "constant_tensors", list)())
        if constant:
            self._kwargs["avg_fn"] = _average_of_changes(self._decay)
        with _shared(constant):
            super().setup(trainer, pl_module, stage)

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Swap the averaged weights in."""
        super().on_validation_epoch_start(trainer, pl_module)
        self._swapped = self._average_model is not None

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Swap the raw weights back."""
        if self._swapped:
            super().on_validation_epoch_end(trainer, pl_module)
        self._swapped = False

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Swap the raw weights back before the checkpoint callbacks save."""
        self.on_validation_epoch_end(trainer, pl_module)


@contextmanager
def _shared(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Let deep copies made meanwhile hold ``tensors`` themselves."""
    tensors = list(tensors)
    for tensor in tensors:
        tensor.__deepcopy__ = partial(_itself, tensor)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for tensor in tensors:
            del tensor.__deepcopy__


def _itself(tensor: Tensor, memo: Any) -> Tensor:
    return tensor


def _average_of_changes(decay: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Torch's average, but equal values stay equal to the last bit."""
    average = get_ema_avg_fn(decay)

    def averaged(old: Tensor, new: Tensor, count: Tensor) -> Tensor:
        return new if old.data_ptr() == new.data_ptr() or torch.equal(old, new) else average(old, new, count)

    return averaged
