"""What a run has left, as numbers that can be held against those of another number of ranks."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from records.files import read_json
from records.image_scores import read_image_scores
from records.predictions import read_predictions


def predictions(run: Path) -> dict[str, float]:
    """Every prediction and every score of an image, by split, id and name."""
    found: dict[str, float] = {}
    if (table := run / "predictions.parquet").is_file():
        found |= {f"{row.split} {row.id}": row.prediction for row in read_predictions(table)}
    if (table := run / "image_scores.parquet").is_file():
        for row in read_image_scores(table):
            found |= {f"{row.split} {row.id} {name}": value for name, value in row.values.items()}
            found[f"{row.split} {row.id}"] = 0.0
    return found


def pictures(run: Path) -> dict[str, bytes]:
    """Every restored picture."""
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in sorted((run / "restored").rglob("*.png"))}


def scores(run: Path) -> dict[str, float]:
    """Every number that the summary tells of a split."""
    summary = read_json(run / "summary.json")
    return dict(numbers({split: summary.get(split) for split in ("val", "test", "predict")}))


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Names and values of all numbers in nested plain values."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, f"{name} {key}".strip())
    elif isinstance(value, list):
        yield from numbers(dict(enumerate(value)), name)
    elif isinstance(value, (int, float)):
        yield name, float(value)


def apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The largest difference; both must name the same things."""
    assert one.keys() == other.keys() and one, one.keys() ^ other.keys()
    return max(abs(value - other[name]) for name, value in one.items())
