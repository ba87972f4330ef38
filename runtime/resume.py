"""One command line both starts a run and goes on with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.flatten import flatten
from records.runs import read_status
from runtime.checkpoint_io import newest
from runtime.layers import read_config
from runtime.run_folder import RunFolder

# What may change between two starts of one run: how long it goes and how it is watched.
FREE = (
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.logger",
    "trainer.log_every_n_steps",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.profiler",
    "trainer.default_root_dir",
    "wandb",
    "guard",
    "checkpoint",
    "run.baseline",
    "run.root",
)


@dataclass(frozen=True)
class Start:
    """How a fit begins.

    Args:
        checkpoint: Checkpoint to go on from, or None to begin anew.
        finished: The run is done already; nothing is to be trained.
    """

    checkpoint: Path | None
    finished: bool = False


def changed_keys(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ, less those that may change, with old and new value."""
    before, after = flatten(old), flatten(new)
    missing = object()
    changes = {}
    for key in sorted(before.keys() | after.keys()):
        if any(key == free or key.startswith(free + ".") for free in FREE):
            continue
        if before.get(key, missing) != after.get(key, missing):
            changes[key] = (before.get(key), after.get(key))
    return changes


def decide(run: RunFolder, config: dict[str, Any]) -> Start:
    """Begin anew, go on, or leave a finished run alone.

    Args:
        run: Folder of the run.
        config: Resolved configuration of the command just typed.

    Raises:
        UserError: If the folder holds a run with another configuration.
    """
    status = read_status(run.status)
    checkpoint = newest(run.checkpoints)
    if checkpoint is None:
        # Nothing was trained yet: a run that failed over a mistyped key begins anew with the mended one.
        return Start(None)
    if not run.config.is_file() or not status:
        return Start(checkpoint)
    old = read_config(run.config)
    changes = changed_keys(old, config)
    if changes:
        told = ", ".join(f"{key} ({before!r} -> {after!r})" for key, (before, after) in list(changes.items())[:8])
        more = f" and {len(changes) - 8} more" if len(changes) > 8 else ""
        raise UserError(
            f"this run was started with another configuration: {told}{more}",
            where=str(run.path),
            mend="undo the change, give the run another name (--run.variant NAME), or begin anew (--restart)",
        )
    max_epochs = config["trainer"].get("max_epochs")
    if status.get("state") == "finished" and (max_epochs == status.get("max_epochs") or _reached(max_epochs, status)):
        return Start(checkpoint, finished=True)
    return Start(checkpoint)


def _reached(max_epochs: int | None, status: dict[str, Any]) -> bool:
    return max_epochs is not None and 0 <= max_epochs <= int(status.get("epoch", -1))
