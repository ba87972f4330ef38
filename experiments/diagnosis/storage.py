"""Disks: room, and whether the folder of runs can do what safe writing needs."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.diagnosis.finding import Finding, told
from records.disk import size_text

# Two checkpoints of a 33 M student with averaged weights and optimiser take one GB; below LEAST nothing can be saved.
LITTLE, LEAST = 5 * 2**30, 2**28


def room(runs: Path) -> Iterator[Finding]:
    """Free space where runs, data and temporary files go.

    Args:
        runs: Folder of the runs; it need not exist yet.
    """
    disks: dict[int, tuple[Path, list[str]]] = {}
    for name, place in (("here", Path.cwd()), ("temporary files", Path(tempfile.gettempdir())), ("runs", runs)):
        folder = existing(place)
        disks.setdefault(folder.stat().st_dev, (folder, []))[1].append(name)
    for folder, names in disks.values():
        free = shutil.disk_usage(folder).free
        said = f"{size_text(free)} free for {', '.join(names)} ({folder})"
        if free < LITTLE:
            yield Finding("error" if free < LEAST else "warning", "disk", said, _mend(names))
        else:
            yield Finding("ok", "disk", said)


def run_folder(runs: Path) -> Iterator[Finding]:
    """Writing, fsync, renaming over a file and links, tried in a folder that is removed again.

    Args:
        runs: Folder of the runs; where it does not exist, the nearest folder above it is tried.
    """
    place = existing(runs)
    mend = f"chmod u+rwx {place}, or --run.root FOLDER"
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as folder:
            lacking = [what for what, attempt in _ATTEMPTS.items() if not _works(attempt, Path(folder))]
    except OSError as error:
        yield Finding("error", "run folder", f"{place} cannot be written to ({told(error)})", mend)
        return
    serious = [what for what in lacking if what != "links"]
    if serious:
        what = f"{place} cannot do {', '.join(serious)}, on which whole checkpoints depend"
        yield Finding("error", "run folder", what, "--run.root FOLDER, on another disk")
    elif lacking:
        what = f"{place} has no links; runs need none, data sets made of links must lie elsewhere"
        yield Finding("note", "run folder", what)
    else:
        yield Finding("ok", "run folder", f"{place}: writing, fsync, renaming and links work")


def existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.is_dir())


def _mend(names: list[str]) -> str:
    ways = {"temporary files": "export TMPDIR=FOLDER", "runs": "--run.root FOLDER"}
    return " and ".join([way for name, way in ways.items() if name in names]) or "make room"


def _works(attempt: Callable[[Path], None], folder: Path) -> bool:
    try:
        attempt(folder)
    except (OSError, NotImplementedError, AssertionError):
        return False
    return True


def _write(folder: Path) -> None:
    (folder / "old").write_text("old", encoding="utf-8")
    with open(folder / "new", "w", encoding="utf-8") as file:
        file.write("new")
        file.flush()
        os.fsync(file.fileno())


def _rename(folder: Path) -> None:
    os.replace(folder / "new", folder / "old")
    assert (folder / "old").read_text(encoding="utf-8") == "new"


def _link(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "old")
    assert (folder / "link").read_text(encoding="utf-8") == "new"


# In this order: each needs what the one before it made.
_ATTEMPTS = {"writing and fsync": _write, "renaming over a file": _rename, "links": _link}
