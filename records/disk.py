"""Room on a disk: asked for before something large is begun, and told in one sentence when it runs out."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from records.errors import CheckFailed

_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Libraries that write through code of their own leave only the text.
_WORDS = tuple(os.strerror(number) for number in _NUMBERS)
MEND = "make room and type the same command again"


class DiskFull(CheckFailed):
    """There is no room, or will be none; what was whole before still is."""


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came of, says that a disk, a quota or a limit on files is full."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in _NUMBERS):
            return True
        if not isinstance(error, MemoryError) and any(word in str(error) for word in _WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def writing(path: str | Path, mend: str = MEND) -> Iterator[None]:
    """Tell in one sentence that a file could not be written for want of room.

    Args:
        path: The file, or the folder it goes to.
        mend: What the user can do about it.

    Raises:
        DiskFull: In place of whatever a library raised.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFull) or not is_disk_full(error):
            raise
        raise DiskFull(f"no room to write it ({free_text(path)})", where=str(path), mend=mend) from error


def require(folder: str | Path, need: int, what: str, mend: str = MEND) -> None:
    """Refuse to begin what will not fit.

    Args:
        folder: Where it will be written; it need not exist yet.
        need: Bytes.
        what: What needs them, for the sentence.
        mend: What the user can do about it.

    Raises:
        DiskFull: Less is free.
    """
    if need > shutil.disk_usage(_existing(folder)).free:
        raise DiskFull(f"{what} will take about {size_text(need)}, {free_text(folder)}", where=str(folder), mend=mend)


def free_text(path: str | Path) -> str:
    """How much is free where ``path`` stands or will stand."""
    return f"{size_text(shutil.disk_usage(_existing(path)).free)} free"


def size_text(count: int) -> str:
    """Bytes in a unit that suits them."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def _existing(path: str | Path) -> Path:
    path = Path(path).absolute()
    return next(each for each in (path, *path.parents) if each.is_dir())
