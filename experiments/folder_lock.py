"""One process at a time works in a folder."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from records.errors import UserError


@contextlib.contextmanager
def held(folder: Path, what: str, mend: str = "wait for it") -> Iterator[None]:
    """Make the folder, and hold it for this process; a kill lets go of it.

    Args:
        folder: The folder.
        what: What is at work in it, for the message.
        mend: What to do where another process holds it.

    Raises:
        UserError: Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another process runs this {what}", where=str(folder), mend=mend) from None
        yield
