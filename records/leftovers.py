"""Temporary files that killed writers left behind."""

import os
import re
import shutil
import time
from pathlib import Path

# Seconds within which a writer at work has written something.
QUIET = 60.0
# As `atomic_path` names them: what it is to become, and the process that writes it.
_NAME = re.compile(r"\..+?(?:\.(\d+))?\.tmp")


def sweep(folder: str | Path, below: bool = True) -> list[Path]:
    """Delete temporary files whose writer is gone; called where a command begins to write to a folder.

    Another command may be at work in the same folder: files of a process that lives on this machine stay, and those
    that were written to within the last minute, since a process of another machine is not seen.

    Args:
        folder: Folder to sweep; an absent one is clean.
        below: Sweep the folders below it too.

    Returns:
        What was deleted.
    """
    folder = Path(folder)
    found = [path for path in (folder.rglob if below else folder.glob)(".*.tmp") if _is_left(path)]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return found


def _is_left(path: Path) -> bool:
    match = _NAME.fullmatch(path.name)
    if match is None or (match[1] and _lives(int(match[1]))):
        return False
    try:
        return time.time() - path.stat().st_mtime > QUIET
    except OSError:  # it has just been renamed
        return False


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return True
