"""Checkpoints as files: sealed with their hash, and read as plain values without unpickling code."""

import pickle
import re
import sys
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.limits import is_archive, is_packed
from records.seal import SealingFile, is_unbroken


def write_checkpoint(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint and its seal as one file; see ``records.files.atomic_path`` for a file that is in use.

    Args:
        checkpoint: Tensors and plain values.
        path: The file.
    """
    import torch

    with open(path, "wb") as file:
        sealing = SealingFile(file)
        torch.save(checkpoint, sealing)  # type: ignore[arg-type] # it asks for write and flush alone
        sealing.seal()


def read_checkpoint(path: str | Path, where: str) -> dict[str, Any]:
    """A checkpoint of a run, on the CPU, after its seal was checked; without one a note is printed.

    Args:
        path: The file.
        where: Word or configuration key that names it, for messages.

    Raises:
        UserError: It is missing, damaged, or no checkpoint.
    """
    import torch

    path = Path(path)
    told = f"{where} {path}"
    if not path.is_file():
        raise UserError("no such checkpoint", where=told, mend="give best.ckpt or last.ckpt of a run")
    try:
        unbroken = is_unbroken(path)
        if unbroken is not False and is_packed(path):
            mend = "give a checkpoint that torch wrote"
            raise UserError("its parts are compressed, as no checkpoint's are", where=told, mend=mend)
        if unbroken is not False:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:  # a file that is something else shows in many ways
        raise UserError(f"not a loadable checkpoint ({_reason(path, error)})", where=told, mend=_others(path)) from None
    if unbroken is False:
        raise UserError("damaged: its bytes are not those that were written", where=told, mend=_others(path))
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise UserError(
            "not a loadable checkpoint (it holds no state_dict)",
            where=told,
            mend="give best.ckpt or last.ckpt of a run",
        )
    if unbroken is None:
        print(f"note: {told} carries no hash of its bytes, so that damage cannot be told", file=sys.stderr)
    return checkpoint


def is_usable(path: Path) -> bool:
    """Whether a file may be gone on from: as it was sealed or, of a time before seals, a zip with its end."""
    try:
        unbroken = is_unbroken(path)
        return is_archive(path) if unbroken is None else unbroken
    except OSError:
        return False


def _reason(path: Path, error: Exception) -> str:
    """What is wrong, in a few words; torch's own are a page."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if not path.stat().st_size:
        return "it is empty"
    if match := re.search(r"GLOBAL (\S+)", str(error)):
        return f"it holds a {match[1]}, and only tensors and plain values are read"
    if isinstance(error, pickle.UnpicklingError) and is_archive(path):
        return "it holds more than tensors and plain values"
    with open(path, "rb") as file:
        begins_like_one = file.read(4) == b"PK\x03\x04"
    return "it is cut short or damaged" if begins_like_one else "it is a file of another kind"


def _others(path: Path) -> str:
    """The mend: what else lies there."""
    names = [each for each in ("best.ckpt", "last.ckpt", "older.ckpt") if each != path.name]
    beside = [name for name in names if path.with_name(name).is_file()]
    return f"use {' or '.join(beside)} beside it" if beside else "copy it again, or give another file"
