"""Labels as they are made: one file of JSON lines a writer, whole up to the last batch whatever kills it."""

import json
import math
import os
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from records.errors import UserError
from records.files import parse_json
from records.hashing import seed_of

# Rank and process of the writer.
PATTERN = "part-*-*.jsonl"


class LabelPart:
    """One writer's file: a line that says whose labels they are, then ``[id, score, spread]`` a line, null for nan.

    Args:
        folder: Folder of the parts.
        rank: The writer's rank.
        identity: What made the labels; labels of another make are refused beside these.
    """

    def __init__(self, folder: Path, rank: int, identity: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(folder / f"part-{rank}-{os.getpid()}.jsonl", "ab")
        # The process id of a killed writer may come round again; the line it tore must not swallow ours.
        self._write(b"\n" * bool(self._file.tell()) + _line(identity))

    def add(self, rows: Iterable[tuple[str, float, float]]) -> None:
        """Put ids with score and spread on disk."""
        self._write(b"".join(_line([id, _known(score), _known(spread)]) for id, score, spread in rows))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, lines: bytes) -> None:
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())


class LabelledIds:
    """The labels of all parts by id, each id once, in 16 bytes a label.

    Ids are kept as 63-bit hashes. Two of 30 million share one with a probability of 5e-5; the second would then
    count as done.

    Args:
        folder: Folder of the parts; an absent one is empty.
        identity: What makes the labels now.

    Raises:
        UserError: A part was made by something else.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        hashes, scores, spreads = array("q"), array("f"), array("f")
        for path in sorted(folder.glob(PATTERN)):
            with open(path, "rb") as lines:
                for line in lines:
                    row = _read(line)
                    if isinstance(row, dict):
                        _refuse_another(row, identity, path)
                    elif row is not None:
                        hashes.append(seed_of(row[0]))
                        scores.append(row[1])
                        spreads.append(row[2])
        unique, first = np.unique(np.frombuffer(hashes, np.int64), return_index=True)
        self._hashes = unique
        self._scores = np.frombuffer(scores, np.float32)[first]
        self._spreads = np.frombuffer(spreads, np.float32)[first]

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, id: object) -> bool:
        return bool(self._places([str(id)])[0] >= 0)

    def find(self, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels in the order of ``ids``.

        Returns:
            Whether each has one (n,) bool, scores and spreads (n,) float32, nan where it has none.
        """
        places = self._places(ids)
        known = places >= 0
        columns = []
        for values in (self._scores, self._spreads):
            column = np.full(len(ids), np.nan, np.float32)
            column[known] = values[places[known]]
            columns.append(column)
        return known, columns[0], columns[1]

    def _places(self, ids: Sequence[str]) -> np.ndarray:
        """Place of each id's label, -1 where it has none."""
        if not len(self):
            return np.full(len(ids), -1)
        hashes = np.fromiter((seed_of(id) for id in ids), np.int64, len(ids))
        places = np.searchsorted(self._hashes, hashes).clip(max=len(self) - 1)
        return np.where(self._hashes[places] == hashes, places, -1)


def _line(value: Any) -> bytes:
    return (json.dumps(value, allow_nan=False) + "\n").encode()


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _read(line: bytes) -> dict[str, Any] | tuple[str, float, float] | None:
    """A header, a label, or None for a torn line."""
    try:
        value = parse_json(line)
        if isinstance(value, dict):
            return value
        score, spread = (math.nan if number is None else float(number) for number in value[1:])
        return str(value[0]), score, spread
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _refuse_another(found: dict[str, Any], ours: dict[str, Any], path: Path) -> None:
    different = [name for name in {**ours, **found} if found.get(name) != ours.get(name)]
    if different:
        raise UserError(
            f"holds labels made with another {' and '.join(different)}",
            where=str(path),
            mend=f"name another file to write, or remove the folder {path.parent} to label anew",
        )
