"""Results as files, each noted with what it was made of and by whom, so that a command makes only what is missing."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def stamp(*paths: Path) -> list[int] | None:
    """Sizes and times of change of files; None where one of them is not there."""
    try:
        found = [path.stat() for path in paths]
    except OSError:
        return None
    return [number for status in found for number in (status.st_size, status.st_mtime_ns)]


def noted(name: str, sources: Sequence[Path], read: list[int] | None, folder: Path, maker: str) -> dict[str, Any]:
    """The row of a result that was just written.

    Args:
        name: The result, relative to ``folder``.
        sources: Files that it was made of; the first is its source.
        read: Their stamp from before they were read.
        folder: Folder of the results.
        maker: Hash of all else that it depends on.
    """
    return {"id": name, "source": str(sources[0]), "stamp": read, "written": stamp(folder / name), "maker": maker}


def holding(
    rows: Iterable[dict[str, Any]], maker: str, folder: Path, sources: Mapping[str, Sequence[Path]]
) -> dict[str, dict[str, Any]]:
    """Rows of a journal whose results still hold: same maker, nothing changed of what was read and written.

    Args:
        rows: As :func:`noted` makes them, perhaps with more in them, the newest last.
        maker: Who would make the results now.
        folder: Folder of the results.
        sources: Files that each result would be made of.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = str(row.get("id"))
        if (
            (files := sources.get(name))
            and row.get("written")
            and row == {**row, **noted(name, files, stamp(*files), folder, maker)}
        ):
            found[name] = row
    return found
