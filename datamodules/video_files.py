"""Finding video files by name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from records.errors import UserError
from records.labels import clean_id, read_csv_rows
from records.places import MEND, check_name, leads_out

SUFFIXES = frozenset(".3gp .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split())
# Files that name videos, one a row, in their first column.
LISTS = frozenset((".txt", ".csv"))
_HEADERS = frozenset(("filename", "name", "id", "path"))
_CONTENTS = frozenset(("group", "content"))


@dataclass(frozen=True, slots=True)
class FoundVideo:
    """A file with what the way to it says.

    Args:
        path: The file.
        folder: Folder that its name is relative to; None for a file that was given itself.
        content: What it shows, of a list's column ``group`` or ``content``; empty where unknown.
    """

    path: Path
    folder: Path | None
    content: str = ""


def find_videos(paths: Iterable[str | Path]) -> list[Path]:
    """Every video among files, in folders and in lists, in a fixed order, each once.

    A file is taken whatever its name, but .txt and .csv files are lists: the first column names videos relative to
    the list's folder. In a folder, names with a video suffix are taken; hidden ones and links out of it are left out.

    Raises:
        UserError: A path does not exist, or nothing is found.
    """
    return list(_found(paths))


def name_videos(paths: Iterable[str | Path], root: Path) -> dict[str, FoundVideo]:
    """Id to what is known of every video that :func:`find_videos` finds.

    Args:
        paths: Files, folders and lists.
        root: Data root; the id of a file below it is relative to it, of another to the folder or list it was found by,
            and of another that is given itself, as it is given.

    Raises:
        UserError: A path does not exist, nothing is found, or two files have one id.
    """
    top = root.resolve()
    ids: dict[str, FoundVideo] = {}
    for file, video in _found(paths).items():
        full, folder = file.resolve(), video.folder
        if full.is_relative_to(top):
            id = full.relative_to(top).as_posix()
        else:
            id = (file.relative_to(folder) if folder and file.is_relative_to(folder) else file).as_posix()
        check_name(file)
        first = ids.setdefault(id, video)
        if first is not video and first.path.resolve() != full:
            told = f"{first.path} and {file} are both named {id!r}"
            raise UserError(told, where="data.init_args.predict_paths", mend="label the folders one by one")
    return ids


def _found(paths: Iterable[str | Path]) -> dict[Path, FoundVideo]:
    """Every video, as it was found first."""
    given, found = [Path(path) for path in paths], dict[Path, FoundVideo]()
    for path in given:
        for video in _below(path):
            found.setdefault(video.path, video)
    if not found:
        where = ", ".join(map(str, given))
        raise UserError("no video found", where=where, mend="give video files, or a folder that holds some")
    return found


def _below(path: Path) -> Iterator[FoundVideo]:
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        for file in inside:
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if not hidden and not (file.is_symlink() and leads_out(file, path)):
                yield FoundVideo(file, path)
    elif not path.exists():
        raise UserError("no such file or folder", where=str(path), mend="mend the path")
    elif path.suffix.lower() in LISTS:
        yield from _listed(path)
    else:
        yield FoundVideo(path, None)


def _listed(path: Path) -> Iterator[FoundVideo]:
    rows, content = read_csv_rows(path), None
    if rows and rows[0][1][0].lower() in _HEADERS:
        header = [cell.lower() for cell in rows[0][1]]
        content = next((place for place, name in enumerate(header) if name in _CONTENTS), None)
        rows = rows[1:]
    for line, cells in rows:
        try:
            file = path.parent / clean_id(cells[0])
        except ValueError as fault:
            mend = f"name files below {path.parent}"
            raise UserError(f"row {line}: {fault}", where=str(path), mend=mend) from None
        if leads_out(file, path.parent):
            what = f"row {line} names {cells[0]!r}, which leads out of {path.parent} by a link"
            raise UserError(what, where=str(path), mend=MEND)
        if not file.is_file():
            what = f"row {line} names {cells[0]!r}, which is not there"
            raise UserError(what, where=str(path), mend="mend the list")
        yield FoundVideo(file, path.parent, cells[content] if content is not None and content < len(cells) else "")
