"""`status.json`: what became of a run, right also after a signal."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.utilities.exceptions import SIGTERMException

from records.disk import DiskFull
from records.files import write_json
from records.runs import read_status
from records.secrets import hidden
from runtime.stop_signals import noticed


class StatusFile(L.Callback):
    """Keep ``status.json`` of a fit: ``running``, then ``interrupted`` or ``failed``; ``finished`` by :meth:`finish`.

    Args:
        path: The file.
        changed: Called after the state has changed, on rank zero.
    """

    def __init__(self, path: Path, changed: Callable[[], object] = lambda: None) -> None:
        self.path, self.changed = path, changed
        self.state = ""
        self.started = time.time()
        # Seconds of the sessions of this run that a kill or a signal ended.
        self.before = 0.0
        self.signal: int | None = None

    def write(self, state: str, trainer: L.Trainer, **more: Any) -> None:
        """Write the state together with how far training is; rank zero only."""
        if trainer.is_global_zero:
            value = {
                "state": state,
                "epoch": trainer.current_epoch,
                "step": trainer.global_step,
                "max_epochs": trainer.max_epochs,
                "world_size": trainer.world_size,
                "monitor": str(getattr(trainer.lightning_module, "monitor", "")),
                "mode": str(getattr(trainer.lightning_module, "mode", "max")),
                "pid": os.getpid(),
                "started": self.started,
                "updated": time.time(),
                "seconds": round(self.before + time.time() - self.started, 1),
                **more,
            }
            write_json(self.path, value)
            if state != self.state:
                self.state = state
                self.changed()

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say that the run is under way."""
        self.before = float(read_status(self.path).get("seconds") or 0.0)
        self.write("running", trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say how far the run is."""
        self.write("running", trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Say what stopped the run."""
        # Whatever comes after a signal is its consequence: another rank was gone first, say.
        self.signal = noticed()
        if self.signal is None and isinstance(exception, SIGTERMException | KeyboardInterrupt):
            self.signal = signal.SIGTERM if isinstance(exception, SIGTERMException) else signal.SIGINT
        if self.signal:
            self.write("interrupted", trainer, signal=int(self.signal))
        else:
            # Where there is no room even for this, what stopped the run is the better thing to tell.
            with contextlib.suppress(DiskFull):
                self.write("failed", trainer, error=hidden(f"{type(exception).__name__}: {exception}")[:1000])

    def finish(self, trainer: L.Trainer) -> None:
        """Say that the run reached its end."""
        self.write("finished", trainer)
