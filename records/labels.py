"""Label tables: opinion scores of files, with the content each shows and the split it belongs to."""

import csv
import difflib
import io
import math
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from records.errors import UserError
from records.files import write_text
from records.limits import check_size

# KVQ numbers its files so that seven neighbours show one content: the upload and six processed versions of it.
VERSIONS_OF_A_CONTENT = 7
SPLITS = ("train", "val", "test")

_COLUMNS = {
    "id": ("filename", "name"),
    "score": ("score", "label", "mos"),
    "content": ("group", "content"),
    "split": ("split",),
}
_Row = tuple[int, list[str]]
_NUMBERED = re.compile(r"(train|val|test)/(\d{1,9})\.mp4")
# Letters that no name of a file in UTF-8 holds.
_NO_NAME = re.compile(r"[\x00\ud800-\udfff]")
# Bytes of the name of a file or folder.
_LONGEST = 255
# What an id may have to be cleaned of; most have nothing of it, and tables have millions.
_ODD = re.compile(r"^[/\s]|[\\\x00\ud800-\udfff]|\.\.|//|(^|/)\.(/|$)|^[A-Za-z]:|[/\s]$|^$")


@dataclass(frozen=True)
class Label:
    """One labelled file.

    Args:
        id: Path relative to the data root, ``/`` separators, extension kept.
        score: Mean opinion score in the set's own unit; None where it is sealed.
        content: Name of what the file shows; versions of one upload share it.
        split: ``train``, ``val`` or ``test``, another name of the table's own, or None.
    """

    id: str
    score: float | None
    content: str
    split: str | None


def read_labels(path: str | Path, *, allow_missing_scores: bool = False) -> list[Label]:
    """Read a label file in the order of its rows.

    Two forms are known: CSV with a header ``filename,score[,group][,split]`` (``name`` and ``label`` or ``mos`` are
    taken for the first two), and lists of four columns without a header, whose first is the file and whose last is
    the score (``path, duration, fps, MOS`` and ``name,class,distortion,label``).

    The content is the ``group`` column; an empty cell makes the file its own content. Without the column, files
    named as KVQ names them (``train/0001.mp4`` on, numbers without a gap) are grouped by sevens, and any other file
    is its own content. The split is the ``split`` column, else the leading folder ``train``, ``val`` or ``test``.

    Args:
        path: The label file, UTF-8 with or without a byte order mark, any line ends.
        allow_missing_scores: Read empty scores as None (sealed splits); else they are refused.

    Raises:
        UserError: The file cannot be read, or rows are wrong; names the file and the rows.
    """
    where = str(path)
    rows = read_csv_rows(path)
    if not rows:
        raise UserError("holds no rows", where=where, mend="expected a header filename,score and one row per file")
    columns, width, rows = _columns(rows, where)
    table = _parse(rows, columns, width, where, allow_missing_scores)
    if "content" not in columns:
        contents = _contents_of_numbers([file for file, _, _, _ in table], where)
    else:
        contents = [content or file for file, _, content, _ in table]
    return [
        Label(file, score, content, split or _split_of(file))
        for (file, score, _, split), content in zip(table, contents, strict=True)
    ]


def write_labels(path: str | Path, labels: Iterable[Label]) -> None:
    """Write labels as CSV ``filename,score,group,split``, atomically; reading them back gives the same labels."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("filename", "score", "group", "split"))
    for label in labels:
        score = "" if label.score is None else repr(float(label.score))
        writer.writerow((label.id, score, label.content, label.split or ""))
    write_text(path, text.getvalue())


def clean_id(text: str) -> str:
    """The id that a name in a table stands for: ``/`` separators, no leading ``./``.

    Raises:
        ValueError: The name is empty, absolute, leaves the data root, or is no name.
    """
    name = text.strip().replace("\\", "/")
    parts = PurePosixPath(name).parts
    if not parts:
        raise ValueError("the file name is empty")
    if _NO_NAME.search(name):
        raise ValueError(f"file name {text!r} holds a letter that no file name can")
    if len(name) > _LONGEST // 4 and max(len(part.encode()) for part in parts) > _LONGEST:
        raise ValueError(f"file name {text[:40]!r}... is longer than a file name can be")
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise ValueError(f"file name {text!r} is not a path below the data root")
    return "/".join(parts)


def refuse_odd_ids(ids: Sequence[str | None], where: str, mend: str = "") -> None:
    """Refuse a table of which an id is not what :func:`clean_id` would make of it; names the rows.

    Raises:
        UserError: An id is empty, leaves the data root, or is written otherwise.
    """
    faults: list[tuple[int, str]] = []
    for row, id in enumerate(ids, start=1):
        if id is None or len(id) > _LONGEST // 4 or _ODD.search(id):
            try:
                if clean_id(id or "") != id:
                    raise ValueError(f"file name {id!r} is not written as an id")
            except ValueError as fault:
                faults.append((row, str(fault)))
    refuse_rows(faults, where, mend)


def read_csv_rows(path: str | Path) -> list[_Row]:
    """Line number and cells of each row of a comma-separated file that is not blank; cells are stripped.

    Raises:
        UserError: There is no such file, or it is too large or not UTF-8 text.
    """
    path = Path(path)
    try:
        check_size(path, "TEXT_BYTES")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError("no such file", where=str(path), mend="mend the path") from None
    except UnicodeDecodeError:
        raise UserError("is not UTF-8 text", where=str(path), mend="save it as CSV UTF-8") from None
    except OSError as error:
        mend = "give a file that you may read"
        raise UserError(f"cannot be read ({error.strerror})", where=str(path), mend=mend) from None
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    rows = []
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise UserError(f"row {reader.line_num}: {error}", where=str(path), mend="save it as CSV UTF-8") from None
    return rows


def refuse_rows(faults: Sequence[tuple[int, str]], where: str, mend: str = "", shown: int = 5) -> None:
    """Raise one UserError that names the first faulty rows and counts the others; nothing happens without faults."""
    if not faults:
        return
    told = ", ".join(f"row {row}: {fault}" for row, fault in faults[:shown])
    more = f", and {len(faults) - shown} more faulty rows" if len(faults) > shown else ""
    raise UserError(told + more, where=where, mend=mend or "mend them in the file")


def number_of(cell: str) -> float:
    """A finite number written with a decimal point.

    Raises:
        ValueError: It is not a number, or not finite.
    """
    try:
        # float() reads 1_000 as a thousand; in a table it is a slip.
        value = math.nan if "_" in cell else float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"score {cell!r} is not a finite number")
    return value


def _columns(rows: list[_Row], where: str) -> tuple[dict[str, int], int, list[_Row]]:
    """Place of each known column, number of columns, and the rows below the header."""
    line, first = rows[0]
    names = [cell.lower() for cell in first]
    if not set(names) & set(_COLUMNS["id"]):
        if len(first) == 4:
            return {"id": 0, "score": 3}, 4, rows
        raise UserError(
            f"row {line} is neither a header with a column filename nor a list of 4 columns: {', '.join(first)!r}",
            where=where,
            mend="start the file with filename,score",
        )
    places = {}
    for column, spellings in _COLUMNS.items():
        found = [place for place, name in enumerate(names) if name in spellings]
        if len(found) > 1:
            told = f"has {len(found)} columns for the {column}: {', '.join(first)}"
            raise UserError(told, where=where, mend="keep one of them")
        if found:
            places[column] = found[0]
    if "score" not in places:
        raise UserError(f"has no column score; it has {', '.join(first)}", where=where, mend="add it")
    known = [spelling for spellings in _COLUMNS.values() for spelling in spellings]
    for name in names:
        # A misspelt "group" that is passed over would let one content into two folds.
        near = difflib.get_close_matches(name, known, 1, cutoff=0.8)
        if near and name not in known:
            raise UserError(f"has an unknown column {name!r}", where=where, mend=f"did you mean {near[0]!r}?")
    return places, len(names), rows[1:]


def _parse(
    rows: list[_Row], columns: dict[str, int], width: int, where: str, allow_missing_scores: bool
) -> list[tuple[str, float | None, str, str]]:
    table: list[tuple[str, float | None, str, str]] = []
    faults: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    unscored = 0
    for line, cells in rows:
        try:
            if len(cells) != width:
                raise ValueError(f"{len(cells)} columns instead of {width}")
            file = clean_id(cells[columns["id"]])
            if file in seen:
                raise ValueError(f"{file!r} stands in row {seen[file]} already")
            seen[file] = line
            text = cells[columns["score"]]
            score = number_of(text) if text else None
            if score is None and not allow_missing_scores:
                unscored += 1
                raise ValueError(f"no score for {file!r}")
        except ValueError as fault:
            faults.append((line, str(fault)))
            continue
        optional = (cells[columns[name]] if name in columns else "" for name in ("content", "split"))
        table.append((file, score, *optional))  # type: ignore[arg-type]
    refuse_rows(faults, where, "scores may be empty only in a sealed split" if unscored else "")
    if not table:
        raise UserError("holds a header and no rows", where=where, mend="add one row per file")
    return table


def _contents_of_numbers(files: list[str], where: str) -> list[str]:
    """KVQ's grouping by file number where all names follow it, else each file by itself."""
    matches = [_NUMBERED.fullmatch(file) for file in files]
    numbers: dict[str, list[int]] = {}
    for match in matches:
        if match is None:
            return files
        numbers.setdefault(match[1], []).append(int(match[2]))
    for split, values in numbers.items():
        if max(values) - min(values) + 1 != len(set(values)) or min(values) < 1 or len(set(values)) != len(values):
            warnings.warn(
                f"{where}: names look like KVQ's, but the numbers in {split}/ have gaps, so every file counts as its "
                "own content; add a column group to keep versions of one content together",
                stacklevel=3,
            )
            return files
    return [f"{match[1]}/{(int(match[2]) - 1) // VERSIONS_OF_A_CONTENT}" for match in matches if match]


def _split_of(file: str) -> str | None:
    folder = file.partition("/")[0]
    return folder if folder in SPLITS and folder != file else None
