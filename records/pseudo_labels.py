"""Pseudo-labels: what a teacher says of unlabelled files, and what is known of how it came to say so."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from records.errors import UserError
from records.files import atomic_path, parse_json
from records.labels import refuse_odd_ids
from records.parquet import ParquetColumns

KEY = b"pseudo_labels"
# Rows converted and written at a time.
GROUP = 65536


@dataclass(frozen=True)
class PseudoLabels:
    """A table of pseudo-labels.

    Args:
        ids: Path of each file relative to its pool, ``/`` separators, extension kept.
        scores: (n,) float32, label units of the teacher.
        spreads: (n,) float32, standard deviation over the teacher's members in label units; nan with one member.
        contents: What each file shows.
        header: ``teacher`` (SHA-256 of each checkpoint), ``date``, ``config`` (hash), ``transductive`` (whether files
            that look like validation or test clips were labelled), ``filters`` (settings and counts), and ``counts``.
    """

    ids: list[str]
    scores: np.ndarray
    spreads: np.ndarray
    contents: list[str]
    header: dict[str, Any]


def write_pseudo_labels(
    path: str | Path,
    ids: Sequence[str],
    scores: np.ndarray,
    spreads: np.ndarray,
    contents: Sequence[str],
    header: dict[str, Any],
    kept: np.ndarray | None = None,
) -> None:
    """Write ``id, score, spread, content`` as Parquet, atomically, a bounded number of rows at a time.

    Args:
        path: The table.
        ids: Ids in the order of the table.
        scores: (n,) float.
        spreads: (n,) float.
        contents: n names.
        header: What is known of all rows; plain values.
        kept: (n,) bool, the rows to write; None for all.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [("id", pa.string()), ("score", pa.float32()), ("spread", pa.float32()), ("content", pa.string())]
    schema = pa.schema(fields, metadata={KEY: json.dumps(header, allow_nan=False)})
    places = np.arange(len(ids)) if kept is None else np.flatnonzero(kept)
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for start in range(0, len(places), GROUP):
            group = places[start : start + GROUP]
            columns = [
                pa.array([ids[place] for place in group], pa.string()),
                pa.array(scores[group], pa.float32()),
                pa.array(spreads[group], pa.float32()),
                pa.array([contents[place] for place in group], pa.string()),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def read_pseudo_labels(path: str | Path) -> PseudoLabels:
    """Read a table that :func:`write_pseudo_labels` wrote.

    Raises:
        UserError: There is no such file, or it is no table of pseudo-labels.
    """
    file = ParquetColumns(path, "label a pool first, see docs/pseudo-labels.md")
    header = file.facts.get(KEY)
    if header is None or not {"id", "score", "spread", "content"} <= set(file.names):
        raise UserError("is no table of pseudo-labels", where=str(path), mend="see docs/pseudo-labels.md")
    words, figures = file.read(("id", "content"), ("score", "spread"))
    refuse_odd_ids(words["id"], str(path))
    try:
        facts = parse_json(header)
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise UserError("says nothing readable of its making", where=str(path), mend="see docs/pseudo-labels.md")
    contents = [content or id for id, content in zip(words["id"], words["content"], strict=True)]
    scores, spreads = (figures[name].astype(np.float32) for name in ("score", "spread"))
    return PseudoLabels(words["id"], scores, spreads, contents, facts)
