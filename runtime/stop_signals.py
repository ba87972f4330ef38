"""SIGTERM, SIGUSR1 and Ctrl-C: all ranks stop behind the same step, and the same command goes on from there."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import lightning as L
from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException

from runtime.first_rank import started_by_first

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGINT") if hasattr(signal, name)]
# `timeout` sends a signal to a process and then to its group; only a later one is a second one. Seconds.
AGAIN = 1.0

_noticed: int | None = None
_when = 0.0
# What passes a signal on to the ranks that this one has started, while they work at an evaluation; else None. In a fit
# they agree, and a rank that is through would be killed by it while it leaves, and the first one, which may still merge
# what all have written, with it.
_pass_on: Callable[[int], None] | None = None
# The signal after which SLURM is asked to start this job again; None on other ranks and elsewhere.
_requeue_on: int | None = None


class StopSignals(L.Callback):
    """Replace Lightning's handlers, which act from within the signal.

    Wherever a signal finds a rank, between the collectives of a step say, the message or the checkpoint of Lightning
    2.6's handlers can meet another one of the other rank: the job then ends with an error and no checkpoint. A Ctrl-C
    may find it in the middle of an optimiser step, or be dropped by Python in a finalizer. Here the handler only notes
    the signal; the ranks of a fit agree after each batch, and all of them stop behind the same one. A signal during a
    validation of several ranks waits for its end, where they meet. An evaluation stops each rank behind the batch that
    it is at. A second Ctrl-C ends the process at once, as SIGKILL would.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Take the place of Lightning's handlers, which are registered after this hook."""
        global _requeue_on
        self._before = False
        connector, note = trainer._signal_connector, partial(_note, trainer)
        connector._sigterm_notifier_fn = note  # type: ignore[method-assign]
        connector._slurm_sigusr_handler_fn = note  # type: ignore[method-assign]
        # These stay when Lightning takes its own away at the end, so that what is left to write is written.
        _listen(note)
        slurm = trainer._accelerator_connector.cluster_environment
        if isinstance(slurm, SLURMEnvironment) and slurm.auto_requeue and trainer.is_global_zero:
            _requeue_on = slurm.requeue_signal

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop behind this batch when any rank was signalled; Lightning looks at its flag next."""
        if trainer.world_size > 1:
            signalled = _noticed is not None
            self._stop(trainer, bool(trainer.strategy.reduce_boolean_decision(signalled, all=False)))

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Let the validation that follows a training batch end: ranks may have unequal numbers of batches."""
        self._before = trainer._signal_connector.received_sigterm
        if trainer.state.fn != "fit":
            self._begin(trainer)
        elif trainer.world_size > 1:
            self._stop(trainer, False)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop where the signal came before this validation."""
        if trainer.state.fn != "fit":
            self._end()
        elif trainer.world_size > 1:
            self._stop(trainer, self._before)

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """From here on all ranks work."""
        self._begin(trainer)

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """All ranks are through; what is left is the first one's."""
        self._end()

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """From here on all ranks work."""
        self._begin(trainer)

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """All ranks are through; what is left is the first one's."""
        self._end()

    def on_predict_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Stop before this batch, the one before it being on disk; Lightning's loop does not look at its flag."""
        if _noticed is not None:
            raise SIGTERMException

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Have a validation that is cut short begun anew by the run that goes on.

        Lightning does so where the cut fell into a step, and passes over the whole validation where it fell between
        two or behind the last one. Comes before the callbacks that save.
        """
        if trainer.state.fn == "fit" and trainer.validating:
            total: Any = trainer.fit_loop.epoch_loop.val_loop.batch_progress.total
            total.ready = total.started = total.processed + 1
            total.completed = total.processed

    def _begin(self, trainer: L.Trainer) -> None:
        global _pass_on
        _pass_on = trainer.strategy.launcher.kill if trainer.strategy.launcher is not None else None
        if _noticed is not None and _pass_on is not None:
            _pass_on(_noticed)

    def _end(self) -> None:
        global _pass_on
        _pass_on = None

    def _stop(self, trainer: L.Trainer, agreed: bool) -> None:
        trainer._signal_connector.received_sigterm = agreed


def listen() -> None:
    """Note signals from here on, where the first rank has started this one and passes them on before they can stop it.

    The first rank itself may be ended the usual way until training begins.
    """
    if started_by_first():
        _listen(partial(_note, None))


def noticed() -> int | None:
    """The signal that this process got; an error that comes after it is a consequence."""
    return _noticed


def leave(why: str = "") -> int:
    """Say how to go on, have SLURM start the job again where its own signal came, and give the exit code.

    Args:
        why: What else to say in brackets.

    Returns:
        128 and the number of the signal; 0 for a rank that the first one has started. The first rank tells how the run
        ended, and is killed by Lightning while it still saves when one it has started ends with another code.
    """
    # Another rank may have been the one that was signalled.
    number = _noticed or signal.SIGTERM
    more = f" ({why})" if why else ""
    print(f"interrupted by {signal.Signals(number).name}{more}; the same command goes on from here", file=sys.stderr)
    if number == _requeue_on:
        _requeue()
    return 0 if started_by_first() else 128 + number


def _requeue() -> None:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]
    try:
        subprocess.run(["scontrol", "requeue", job], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"SLURM did not take job {job} back into its queue ({error}); submit it again", file=sys.stderr)


def _listen(note: Callable[[int, FrameType | None], None]) -> None:
    for number in SIGNALS:
        before = signal.getsignal(number)
        ours = isinstance(before, partial) and before.func is _note
        if ours or before in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, note)


def _note(trainer: L.Trainer | None, number: int, frame: FrameType | None) -> None:
    global _noticed, _when
    if _noticed is None:
        _noticed, _when = number, time.monotonic()
        if _pass_on is not None:
            _pass_on(number)
        if number == signal.SIGINT:
            os.write(2, b"\nstopping behind this batch; Ctrl-C again stops at once, back to the last checkpoint\n")
    elif number == signal.SIGINT and time.monotonic() - _when > AGAIN:
        # Ranks that this one has started see that it is gone.
        os._exit(128 + number)
    if trainer and (trainer.world_size == 1 or trainer.state.fn != "fit"):
        trainer._signal_connector.received_sigterm = True
