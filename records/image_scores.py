"""The table of per-image scores that a super-resolution run leaves: one row an image, the basis of comparisons."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from records.files import atomic_path
from records.parquet import ParquetColumns

_TEXT = ("id", "split", "domain", "content")


@dataclass(frozen=True)
class ImageScore:
    """Scores of one image.

    Args:
        id: Path relative to the data root.
        split: Split that it was scored in.
        domain: ``synthetic`` or ``wild``.
        content: The photograph it was cut from; intervals are drawn over these.
        values: Metric name to value, those that could be computed.
    """

    id: str
    split: str
    domain: str
    content: str
    values: dict[str, float] = field(default_factory=dict)


def write_image_scores(path: str | Path, rows: Iterable[ImageScore]) -> None:
    """Write rows as Parquet, whole or not at all; a metric that an image lacks is null."""
    rows = sorted(rows, key=lambda row: (row.split, row.id))
    metrics = sorted({name for row in rows for name in row.values})
    columns = {name: pa.array([getattr(row, name) for row in rows], pa.string()) for name in _TEXT}
    columns |= {name: pa.array([row.values.get(name) for row in rows], pa.float64()) for name in metrics}
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def read_image_scores(path: str | Path) -> list[ImageScore]:
    """Read the table back.

    Raises:
        UserError: The file is no such table, or larger than allowed.
    """
    file = ParquetColumns(path, "give image_scores.parquet of a run")
    metrics = [name for name in file.names if name not in _TEXT]
    words, figures = file.read(_TEXT, metrics)
    return [
        ImageScore(
            **{name: words[name][row] or "" for name in _TEXT},
            values={name: float(figures[name][row]) for name in metrics if not math.isnan(figures[name][row])},
        )
        for row in range(len(words["id"]))
    ]
