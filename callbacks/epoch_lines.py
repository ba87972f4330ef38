"""One printed line an epoch, for logs and terminals without a progress bar."""

import time

import lightning as L


class EpochLines(L.Callback):
    """Print epoch, training loss, validation score and seconds on rank zero."""

    def __init__(self) -> None:
        self.began = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock of an epoch that is gone on with."""
        self.began = time.perf_counter()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the line."""
        if not trainer.is_global_zero:
            return
        shown = [f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs or '?'}"]
        for name in ("train/loss", getattr(pl_module, "monitor", "")):
            if name in trainer.callback_metrics:
                shown.append(f"{name} {float(trainer.callback_metrics[name]):.4f}")
        shown.append(f"{time.perf_counter() - self.began:.1f} s")
        print("  ".join(shown), flush=True)
