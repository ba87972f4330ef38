"""Checkpoints that are whole or absent, whatever kills the writer, with the one before kept beside the last."""

import os
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO
from packaging.version import InvalidVersion, Version

from records.checkpoints import is_usable, read_checkpoint, write_checkpoint
from records.errors import UserError
from records.files import atomic_path

LAST, OLDER, DAMAGED = "last.ckpt", "older.ckpt", "damaged.ckpt"


class SafeCheckpointIO(TorchCheckpointIO):
    """Write beside the target, seal, fsync, rename; read as plain values, seal first.

    Lightning writes to ``$TMPDIR`` and moves the file; across file systems that move is a copy, and a kill in the
    middle of it leaves an empty checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Save ``checkpoint`` to ``path`` atomically; what was ``last.ckpt`` becomes ``older.ckpt``."""
        path = Path(path)
        with atomic_path(path) as temporary:
            write_checkpoint(checkpoint, temporary)
            if path.name == LAST and path.is_file():
                _keep(path, path.with_name(OLDER))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Load ``path`` to the CPU, always without unpickling code."""
        checkpoint = read_checkpoint(path, "checkpoint")
        if not is_version(checkpoint.get("pytorch-lightning_version")):
            mend = "give best.ckpt or last.ckpt of a run"
            raise UserError("no checkpoint of a fit", where=f"checkpoint {path}", mend=mend)
        return checkpoint


def is_version(told: Any) -> bool:
    """Whether what a checkpoint says of its Lightning is a version, as Lightning reads it."""
    try:
        return isinstance(told, str) and bool(Version(told))
    except InvalidVersion:
        return False


def _keep(last: Path, older: Path) -> None:
    """Give the last checkpoint its second name; it keeps the first, so that one by that name is always there."""
    spare = older.with_name(f".{older.name}.{os.getpid()}.tmp")
    spare.unlink(missing_ok=True)
    try:
        os.link(last, spare)
        os.replace(spare, older)
    except OSError:  # a file system without hard links
        os.replace(last, older)
    finally:
        spare.unlink(missing_ok=True)  # renaming one name of a file to another of the same leaves both


def newest(folder: Path) -> Path | None:
    """The checkpoint to go on from: the last or, where that is damaged or gone, the one before; None without any.

    Raises:
        UserError: There are some, and all of them are damaged.
    """
    found = [path for path in (folder / LAST, folder / OLDER) if path.is_file()]
    usable = next((path for path in found if is_usable(path)), None)
    if found and usable is None:
        names = " and ".join(path.name for path in found)
        mend = "begin anew (--restart); best.ckpt there can still be evaluated, if it is whole"
        raise UserError(f"{names} damaged, so there is nothing to go on from", where=str(folder), mend=mend)
    return usable


def set_damaged_aside(chosen: Path) -> None:
    """Rename the ``last.ckpt`` that was not chosen: the next save would put it in the place of the good older one."""
    last = chosen.with_name(LAST)
    if chosen.name == OLDER and last.is_file():
        os.replace(last, last.with_name(DAMAGED))
        print(f"{last} is damaged and is now called {DAMAGED}")
