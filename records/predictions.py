"""Prediction tables: what a model said of each file, beside what people said."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.files import atomic_path
from records.labels import clean_id, read_csv_rows, refuse_rows
from records.parquet import ParquetColumns


@dataclass(frozen=True)
class Prediction:
    """One prediction.

    Args:
        id: Path relative to the data root, ``/`` separators, extension kept.
        prediction: The model's score, in label units.
        target: The score it is held against; None where there is none.
        origin: Where the target comes from: ``label``, ``pseudo``, or empty.
        content: Name of what the file shows; empty where unknown.
        split: ``train``, ``val``, ``test``, or None.
    """

    id: str
    prediction: float
    target: float | None = None
    origin: str = ""
    content: str = ""
    split: str | None = None


def write_predictions(path: str | Path, rows: Iterable[Prediction]) -> None:
    """Write ``id, prediction, target, origin, content, split`` as Parquet, atomically, in the order given."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(rows)
    columns: dict[str, Any] = {
        "id": pa.array([row.id for row in rows], pa.string()),
        "prediction": pa.array([float(row.prediction) for row in rows], pa.float64()),
        "target": pa.array([_known(row.target) for row in rows], pa.float64()),
        "origin": pa.array([row.origin for row in rows], pa.string()),
        "content": pa.array([row.content for row in rows], pa.string()),
        "split": pa.array([row.split for row in rows], pa.string()),
    }
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def read_predictions(path: str | Path) -> list[Prediction]:
    """Read predictions in file order, as they stand: duplicates and values that are not finite are kept.

    Args:
        path: Parquet as :func:`write_predictions` makes it, or CSV ``filename,score``. Both may name the columns
            ``id`` or ``filename``, and ``prediction`` or ``score``; an empty value is read as nan.

    Raises:
        UserError: The file cannot be read, or its columns are others; names the file and the rows.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("no such file", where=str(path), mend="mend the path")
    with open(path, "rb") as file:
        parquet = file.read(4) == b"PAR1"
    return _read_parquet(path) if parquet else _read_csv(path)


def _read_parquet(path: Path) -> list[Prediction]:
    file = ParquetColumns(path, "let the run write it again, by test or predict")
    ids, scores = _columns(file.names, str(path))
    numbers = [scores, *(name for name in ("target",) if name in file.names)]
    texts = [ids, *(name for name in ("origin", "content", "split") if name in file.names)]
    words, figures = file.read(texts, numbers)
    rows, faults = [], []
    for line, id in enumerate(words[ids]):
        try:
            rows.append(
                Prediction(
                    id=clean_id(id or ""),
                    prediction=float(figures[scores][line]),
                    target=_known(figures["target"][line]) if "target" in figures else None,
                    origin=(words["origin"][line] if "origin" in words else None) or "",
                    content=(words["content"][line] if "content" in words else None) or "",
                    split=words["split"][line] if "split" in words else None,
                )
            )
        except ValueError as fault:
            faults.append((line + 1, str(fault)))
    refuse_rows(faults, str(path))
    return rows


def _read_csv(path: Path) -> list[Prediction]:
    table = read_csv_rows(path)
    if not table:
        raise UserError("holds no rows", where=str(path), mend="expected a header filename,score")
    header = [cell.lower() for cell in table[0][1]]
    ids, scores = (header.index(name) for name in _columns(header, str(path)))
    rows, faults = [], []
    for line, cells in table[1:]:
        try:
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} columns instead of {len(header)}")
            rows.append(Prediction(clean_id(cells[ids]), _number(cells[scores])))
        except ValueError as fault:
            faults.append((line, str(fault)))
    refuse_rows(faults, str(path))
    return rows


def _columns(names: list[str], where: str) -> tuple[str, str]:
    """Names of the id column and of the prediction column."""
    found = []
    for wanted in (("id", "filename"), ("prediction", "score")):
        here = [name for name in wanted if name in names]
        if not here:
            told = f"has no column {wanted[1]} or {wanted[0]}; it has {', '.join(names)}"
            raise UserError(told, where=where, mend=f"name the column {wanted[1]}")
        found.append(here[0])
    return found[0], found[1]


def _number(cell: str) -> float:
    if not cell:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"score {cell!r} is not a number") from None


def _known(target: float | None) -> float | None:
    return None if target is None or math.isnan(target) else float(target)
