"""Finding video files by name."""

from collections.abc import Iterable
from pathlib import Path

from records.errors import UserError

SUFFIXES = frozenset(".3gp .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split())


def find_videos(paths: Iterable[str | Path]) -> list[Path]:
    """Every video among files and below folders, in a fixed order, each once.

    A file is taken whatever its name; in a folder, names with a video suffix are taken and hidden ones are left out.

    Raises:
        UserError: A path does not exist, or nothing is found.
    """
    found: dict[Path, None] = {}
    given = [Path(path) for path in paths]
    for path in given:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            for file in inside:
                if not any(part.startswith(".") for part in file.relative_to(path).parts):
                    found[file] = None
        elif path.exists():
            found[path] = None
        else:
            raise UserError("no such file or folder", where=str(path), mend="mend the path")
    if not found:
        where = ", ".join(map(str, given))
        raise UserError("no video found", where=where, mend="give video files, or a folder that holds some")
    return list(found)
