"""Rank pairs: which of two files people find better."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from records.errors import UserError
from records.files import write_text
from records.labels import clean_id, read_csv_rows, refuse_rows
from records.limits import check_archive

Kind = Literal["nonsource", "source"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# Rows that a sheet of a workbook can have.
MOST_ROWS = 1 << 20


class Pair(NamedTuple):
    """One judged pair.

    Attributes:
        kind: ``source``: two versions of one content; ``nonsource``: two contents.
        first: Id of the first file.
        second: Id of the second file.
        rank: 1 when the first is better, 2 when the second is.
    """

    kind: Kind
    first: str
    second: str
    rank: Literal[1, 2]


def read_pairs(path: str | Path) -> list[Pair]:
    """Read rank pairs in file order.

    Args:
        path: The official workbook (``.xlsx``, sheets ``nonsource`` and ``source``, first three columns video1,
            video2, rank) or CSV with the header ``kind,video1,video2,rank``.

    Raises:
        UserError: The file cannot be read, or rows are wrong; names the file, the sheet and the rows.
    """
    path = Path(path)
    if path.suffix.lower() == ".xlsx":
        return _read_workbook(path)
    rows = read_csv_rows(path)
    if not rows or [cell.lower() for cell in rows[0][1][:4]] != ["kind", "video1", "video2", "rank"]:
        raise UserError("does not start with the header kind,video1,video2,rank", where=str(path), mend="put it there")
    return _parse(rows[1:], str(path))


def write_pairs(path: str | Path, pairs: Iterable[Pair]) -> None:
    """Write pairs as CSV ``kind,video1,video2,rank``, atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("kind", "video1", "video2", "rank"))
    writer.writerows((pair.kind, pair.first, pair.second, pair.rank) for pair in pairs)
    write_text(path, text.getvalue())


def _read_workbook(path: Path) -> list[Pair]:
    try:
        import openpyxl
    except ImportError:
        mend = "pip install -e '.[xlsx]', or give the pairs as CSV kind,video1,video2,rank"
        raise UserError("reading a workbook needs openpyxl", where=str(path), mend=mend) from None
    mend = "save it as xlsx again, or give the pairs as CSV kind,video1,video2,rank"
    if not path.is_file():
        raise UserError("no such file", where=str(path), mend="mend the path")
    try:
        check_archive(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheets = {name.strip().lower(): name for name in book.sheetnames}
            tables = {kind: _rows(book[sheets[kind]], kind) for kind in KINDS if kind in sheets}
        finally:
            book.close()
    except UserError:
        raise
    except Exception as error:  # a damaged archive or its XML shows in many ways
        told = f"is not a readable xlsx workbook ({type(error).__name__})"
        raise UserError(told, where=str(path), mend=mend) from None
    if missing := [kind for kind in KINDS if kind not in tables]:
        told = f"has no sheet {' and no sheet '.join(missing)}; it has {', '.join(sheets.values())}"
        raise UserError(told, where=str(path), mend="name the sheets nonsource and source")
    return [pair for kind, rows in tables.items() for pair in _parse(rows, f"{path}, sheet {kind}")]


def _rows(sheet: Any, kind: Kind) -> list[tuple[int, list[str]]]:
    """Row number and cells of the rows of a sheet that are not empty, less its header."""
    rows = []
    # A row may claim any number, and those before it would all be gone through.
    for line, cells in enumerate(sheet.iter_rows(max_row=MOST_ROWS, max_col=3, values_only=True), start=1):
        texts = ["" if cell is None else str(cell).strip() for cell in cells]
        if any(texts):
            rows.append((line, [kind, *texts]))
    # The official workbook has a header row, whatever its words.
    return rows[1:] if rows and _rank_of(rows[0][1][-1]) is None else rows


def _parse(rows: list[tuple[int, list[str]]], where: str) -> list[Pair]:
    pairs: list[Pair] = []
    faults: list[tuple[int, str]] = []
    for line, cells in rows:
        try:
            if len(cells) < 4:
                raise ValueError(f"{len(cells)} columns instead of 4")
            kind: Any = cells[0].lower()
            rank: Any = _rank_of(cells[3])
            if kind not in KINDS:
                raise ValueError(f"kind {cells[0]!r} is neither nonsource nor source")
            if rank is None:
                raise ValueError(f"rank {cells[3]!r} is neither 1 nor 2")
            first, second = clean_id(cells[1]), clean_id(cells[2])
            if first == second:
                raise ValueError(f"{first!r} is paired with itself")
            pairs.append(Pair(kind, first, second, rank))
        except ValueError as fault:
            faults.append((line, str(fault)))
    refuse_rows(faults, where)
    return pairs


def _rank_of(cell: str) -> int | None:
    # Workbooks store 1 as 1 or 1.0.
    return {"1": 1, "1.0": 1, "2": 2, "2.0": 2}.get(cell)
