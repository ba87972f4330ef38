"""`summary.json`: the final figures of a run, and the interval they stand in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metrics.bootstrap import ContentBootstrap, difference, interval
from records.files import read_json, write_json
from records.pairs import KINDS, Pair
from records.predictions import Prediction, read_predictions


@dataclass(frozen=True)
class Judged:
    """Labelled predictions of one split, with the draws of contents they are judged on.

    Args:
        rows: Predictions that have a target.
        pairs: Rank pairs among them.
    """

    rows: list[Prediction]
    pairs: list[Pair]

    @property
    def score_name(self) -> str:
        """``final`` where pairs exist, else ``final_no_rank``, (SROCC + PLCC) / 2."""
        return "final" if {pair.kind for pair in self.pairs} == set(KINDS) else "final_no_rank"

    def draws(self) -> tuple[ContentBootstrap, np.ndarray]:
        """Draws of contents, and the predictions in their order."""
        place = {row.id: index for index, row in enumerate(self.rows)}
        tables = [[(place[p.first], place[p.second], p.rank) for p in self.pairs if p.kind == kind] for kind in KINDS]
        both = (np.array(tables[0]), np.array(tables[1])) if self.score_name == "final" else None
        bootstrap = ContentBootstrap(
            [float(row.target or 0) for row in self.rows], [row.content for row in self.rows], both
        )
        return bootstrap, np.array([row.prediction for row in self.rows])

    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the score by content; None for a single content."""
        if len({row.content for row in self.rows}) < 2:
            return None
        bootstrap, prediction = self.draws()
        return interval(bootstrap.scores(prediction)[self.score_name])


def judged(folder: Path, split: str, pairs: list[Pair]) -> Judged:
    """Labelled predictions of a run's split."""
    path = folder / "predictions.parquet"
    rows = read_predictions(path) if path.is_file() else []
    rows = [row for row in rows if row.split == split and row.target is not None]
    known = {row.id for row in rows}
    return Judged(rows, [pair for pair in pairs if pair.first in known and pair.second in known])


def compare(ours: Judged, baseline: Path, split: str) -> tuple[float, float, float] | None:
    """Change of the score against a baseline run on the same files, with its 95 % interval.

    Returns:
        Change, low, high; None where the baseline has no predictions for exactly these files.
    """
    theirs = {row.id: row.prediction for row in judged(baseline, split, []).rows}
    if not ours.rows or theirs.keys() != {row.id for row in ours.rows}:
        return None
    bootstrap, prediction = ours.draws()
    other = np.array([theirs[row.id] for row in ours.rows])
    name = ours.score_name
    reach, _ = difference(bootstrap, prediction, other, name)
    if reach is None:
        return None
    return bootstrap.whole(prediction)[name] - bootstrap.whole(other)[name], *reach


def update_summary(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Merge ``values`` into ``summary.json`` and return the whole."""
    path = folder / "summary.json"
    try:
        old = read_json(path)
    except (OSError, ValueError):
        old = {}
    merged = {**old, **values}
    write_json(path, merged)
    return merged
