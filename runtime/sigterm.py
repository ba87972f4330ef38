"""SIGTERM on several ranks: all of them stop at the same step."""

import os
import signal
from functools import partial
from types import FrameType
from typing import Any

import lightning as L

_noticed = False


class AgreedSigterm(L.Callback):
    """Replace Lightning's handler, which talks to the other ranks from within the signal.

    Wherever the signal finds a rank, between the collectives of a step say, the message of Lightning 2.6's handler can
    meet another one of the other rank: the job then ends with an error and no checkpoint. Here the handler only notes
    the signal and passes it on to the processes this one has started; the ranks of a fit agree after each batch, and
    all of them stop behind the same one. A signal during a validation waits for its end, where the ranks meet.
    """

    def __init__(self) -> None:
        self._before = False

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Take the place of Lightning's handler, which is registered after this hook."""
        trainer._signal_connector._sigterm_notifier_fn = partial(_note, trainer)  # type: ignore[method-assign]

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop behind this batch when any rank was signalled; Lightning looks at its flag next."""
        if trainer.world_size > 1:
            self._stop(trainer, bool(trainer.strategy.reduce_boolean_decision(_noticed, all=False)))

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Let the validation that follows a training batch end: ranks may have unequal numbers of batches."""
        self._before = trainer._signal_connector.received_sigterm
        if trainer.world_size > 1 and trainer.state.fn == "fit":
            self._stop(trainer, False)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop where the signal came before this validation."""
        if trainer.world_size > 1 and trainer.state.fn == "fit":
            self._stop(trainer, self._before)

    def _stop(self, trainer: L.Trainer, agreed: bool) -> None:
        trainer._signal_connector.received_sigterm = agreed


def was_noticed() -> bool:
    """Whether this process got SIGTERM: an error that comes after it is a consequence."""
    return _noticed


def exit_code() -> int:
    """143; 0 for a rank that the first one has started.

    The first rank tells how the run ended, and is killed by Lightning while it still saves when one it has started
    ends with another code.
    """
    started = os.environ.get("LOCAL_RANK", "0") != "0"
    outside = "TORCHELASTIC_RUN_ID" in os.environ or "SLURM_PROCID" in os.environ
    return 0 if started and not outside else 128 + signal.SIGTERM


def _note(trainer: L.Trainer, number: int, frame: FrameType | None) -> None:
    global _noticed
    if not _noticed and trainer.strategy.launcher is not None:
        trainer.strategy.launcher.kill(number)
    _noticed = True
    if trainer.world_size == 1 or trainer.state.fn != "fit":
        trainer._signal_connector.received_sigterm = True
