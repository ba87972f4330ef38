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
    try:
        written = path.stat().st_mtime
    except OSError:  # it has just been renamed
        return False
    if match is None or (match[1] and _lives(int(match[1]), written)):
        return False
    return time.time() - written > QUIET


def _lives(process: int, written: float) -> bool:
    """Whether the process lives; one that began after the file was last written to has only its number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return process == os.getpid() or _began(process) <= written + QUIET


def _began(process: int) -> float:
    """When a process began, seconds since the epoch; 0 where the system does not tell."""
    try:
        ticks = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
        running = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return time.time() - running + ticks / os.sysconf("SC_CLK_TCK")
