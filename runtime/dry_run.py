"""`fit --dry_run`: three real batches of everything, then a forecast; nothing stays behind."""

import resource
import shutil
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from records.errors import CheckFailed

if TYPE_CHECKING:
    from runtime.cli import CLI

BATCHES = 3


class Clock(L.Callback):
    """Seconds of each training and validation batch, without the wait for data."""

    def __init__(self) -> None:
        self.train: list[float] = []
        self.validate: list[float] = []
        self._began = 0.0

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, index: int) -> None:
        """Start the clock."""
        self._began = _now()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Note the seconds."""
        self.train.append(_now() - self._began)

    def on_validation_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, index: int, loader: int = 0
    ) -> None:
        """Start the clock."""
        self._began = _now()

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, index: int, loader: int = 0
    ) -> None:
        """Note the seconds."""
        self.validate.append(_now() - self._began)


def dry_run(cli: "CLI", arguments: dict[str, Any]) -> None:
    """Train, validate, save, and go on from what was saved; print time, memory, disk and what bounds the speed.

    Args:
        cli: The parsed command line.
        arguments: Arguments of ``Trainer.fit``.

    Raises:
        CheckFailed: If no checkpoint came out.
    """
    folder = cli.run_folder.path
    try:
        clock = Clock()
        limits: dict[str, Any] = {"limit_train_batches": BATCHES, "limit_val_batches": BATCHES, "log_every_n_steps": 1}
        for epochs in (1, 2):
            trainer = cli.instantiate_trainer(max_epochs=epochs, **limits)
            trainer.callbacks.append(clock)  # type: ignore[attr-defined]
            resumes = epochs == 2
            if resumes and not cli.run_folder.last.is_file():
                what, mend = "the first pass left no checkpoint", "run without --dry_run, which tells why"
                raise CheckFailed(what, where=str(cli.run_folder.last), mend=mend)
            cli.model.resumes = resumes
            trainer.fit(**{**arguments, "ckpt_path": cli.run_folder.last if resumes else None})
        if trainer.is_global_zero:
            forecast(cli, trainer, clock)
    finally:
        if cli.trainer.is_global_zero:
            shutil.rmtree(folder, ignore_errors=True)
            _remove_empty(folder.parent, cli.run_folder.root.parent)


def forecast(cli: "CLI", trainer: L.Trainer, clock: Clock) -> None:
    """Print what a full run will take."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    train, validate = data.train_dataloader(), _first(data.val_dataloader())
    workers = max(1, train.num_workers)
    step = _typical(clock.train)
    load = _load_seconds(train)
    val_step = _typical(clock.validate)
    val_load = _load_seconds(validate) if validate is not None else 0.0
    # A worker decodes while the network computes; without workers the two take turns.
    per_step = max(step, load / workers) if train.num_workers else step + load
    per_val = max(val_step, val_load / workers) if train.num_workers else val_step + val_load
    epoch = len(train) * per_step + (len(validate) * per_val if validate is not None else 0)
    bound = "decoding (raise data.init_args.num_workers)" if load / workers > step else "the network"
    epochs = cli.options.trainer.max_epochs
    # best, last, older, and the one that is being written beside them.
    checkpoints = (4 + cli.options.checkpoint.top) * cli.run_folder.last.stat().st_size
    free = shutil.disk_usage(cli.run_folder.path).free
    table = Table("what", "forecast", title=f"dry run of {cli.run_folder.experiment}/{cli.run_folder.variant}")
    table.add_row("training step", f"{step:.3f} s network, {load:.3f} s decoding on one worker, {workers} worker(s)")
    table.add_row("one epoch", f"{_duration(epoch)} ({len(train)} steps, validation included)")
    if epochs and epochs > 0:
        table.add_row("whole run", f"{_duration(epoch * epochs)} for {epochs} epochs")
    table.add_row("bound by", bound)
    table.add_row("peak memory", _memory(workers if train.num_workers else 0))
    table.add_row("disk", f"{checkpoints / 2**20:.0f} MiB of checkpoints, {free / 2**30:.1f} GiB free")
    for name, unit in (("gmacs", "GMACs a video"), ("params_m", "M parameters")):
        if name in cli.model.efficiency:
            table.add_row(unit, f"{cli.model.efficiency[name]:.2f}")
    Console().print(table)
    if checkpoints > free:
        raise CheckFailed("not enough disk for its checkpoints", where=str(cli.run_folder.root), mend="free some space")


def _load_seconds(loader: DataLoader) -> float:
    """Seconds that one process needs to decode one batch."""
    plain = DataLoader(loader.dataset, batch_sampler=loader.batch_sampler, collate_fn=loader.collate_fn, num_workers=0)
    began, count = time.perf_counter(), 0
    for _ in islice(plain, BATCHES):
        count += 1
    return (time.perf_counter() - began) / max(1, count)


def _first(loaders: Any) -> Any:
    return loaders[0] if isinstance(loaders, list) else loaders


def _typical(seconds: list[float]) -> float:
    # The first batch pays for warming up.
    rest = sorted(seconds[1:] or seconds)
    return rest[len(rest) // 2] if rest else 0.0


def _memory(workers: int) -> str:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    text = f"{own:.1f} GiB in this process"
    if workers:
        child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        text += f", up to {child:.1f} GiB in each of {workers} worker(s)"
    if torch.cuda.is_available():
        text += f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB on the GPU"
    return text


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
