"""Weight averaging that a signal during validation cannot turn round."""

import lightning as L
from lightning.pytorch.callbacks import EMAWeightAveraging


class EMA(EMAWeightAveraging):
    """Exponential moving average of the full state, swapped in for validation.

    Lightning's callback swaps averaged and raw weights for the time of a validation. A checkpoint that is saved
    because something stops the run in that time would hold them the wrong way round, so they are swapped back first.

    Args:
        decay: Share of the old average kept at each optimiser step, 0..1.
    """

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__(decay=decay, use_buffers=True)
        self._swapped = False

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
