"""What runs at several thresholds said of the same clips, beside the tiles that each of them saw."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.runs import Item, Run
from records.errors import UserError

if TYPE_CHECKING:
    from datamodules.video.views.density import Slicing

Floats = NDArray[np.float64]
DRAWS = 2000


@dataclass(frozen=True)
class Judged:
    """Clips that could be cut again, at T thresholds.

    Args:
        thresholds: Ascending.
        tiles: Tiles cut of a frame.
        ids: The n clips.
        contents: What each shows.
        labels: (n,) labels.
        predictions: (seeds, n) predictions at each threshold.
        slicings: Tiles of each clip at each threshold.
    """

    thresholds: Sequence[float]
    tiles: int
    ids: Sequence[str]
    contents: Sequence[str]
    labels: Floats
    predictions: Sequence[Floats]
    slicings: Sequence[Sequence["Slicing"]]

    @cached_property
    def said(self) -> Floats:
        """(T, n) predictions, means over seeds."""
        return np.stack([each.mean(0) for each in self.predictions])

    @cached_property
    def errors(self) -> Floats:
        """(T, n) distance of prediction and label, means over seeds."""
        return np.stack([np.abs(each - self.labels).mean(0) for each in self.predictions])

    @cached_property
    def noise(self) -> Floats:
        """(n,) standard deviation of that distance over seeds, pooled over thresholds; nan for single seeds."""
        spread = [np.abs(each - self.labels).var(0, ddof=1) for each in self.predictions if len(each) > 1]
        return np.sqrt(np.mean(spread, axis=0)) if spread else np.full(len(self.ids), np.nan)

    @cached_property
    def kept(self) -> Floats:
        """(T, n) share of a clip's tiles that reach the threshold."""
        return np.array([[each.kept_share for each in clip] for clip in self.slicings]).T

    @cached_property
    def filled(self) -> NDArray[np.bool_]:
        """(T, n) whether fewer tiles reach the threshold than are cut."""
        return np.array([[each.kept.sum() < self.tiles for each in clip] for clip in self.slicings]).T

    def other(self, first: int, second: int) -> NDArray[np.bool_]:
        """(n,) whether two thresholds, by place, cut other tiles."""
        return np.array([not np.array_equal(clip[first].chosen, clip[second].chosen) for clip in self.slicings])

    @property
    def lowest(self) -> int:
        """Place of the lowest threshold above 0."""
        return next(place for place, threshold in enumerate(self.thresholds) if threshold > 0)

    @property
    def moves(self) -> Floats:
        """(n,) error at the worst threshold less that at the best."""
        return self.errors.max(0) - self.errors.min(0)


def read(groups: Sequence[Sequence[Run]], split: str) -> list[list[dict[str, Item]]]:
    """Clips of a split as every run of every group judged them.

    Raises:
        UserError: A run has none, or was judged on other clips or labels than the first.
    """
    tables = [[run.items(split) for run in runs] for runs in groups]
    every = [run for runs in groups for run in runs]
    first = _targets(tables[0][0])
    for run, table in zip(every, itertools.chain(*tables), strict=True):
        if not table:
            mend = f"run `python train.py {'test' if split == 'test' else 'validate'}` first"
            raise UserError(f"holds no predictions of {split}", where=str(run.folder), mend=mend)
        if _targets(table) != first:
            what = f"was not judged on the clips and labels of {every[0].folder}"
            raise UserError(what, where=str(run.folder), mend="judge all runs on the same")
    return tables


def judge(
    thresholds: Sequence[float],
    tables: Sequence[Sequence[Mapping[str, Item]]],
    slicings: Mapping[str, "Sequence[Slicing]"],
    tiles: int,
) -> Judged:
    """Put predictions and tiles beside each other.

    Args:
        thresholds: Ascending.
        tables: Result of :func:`read`, a group for each threshold.
        slicings: Tiles by clip, at each threshold; of the others nothing is told.
        tiles: Tiles cut of a frame.
    """
    first, ids = tables[0][0], list(slicings)
    return Judged(
        thresholds,
        tiles,
        ids,
        [first[id].content for id in ids],
        np.array([first[id].values["target"] for id in ids]),
        [np.array([[table[id].values["prediction"] for id in ids] for table in group]) for group in tables],
        [slicings[id] for id in ids],
    )


def split_means(
    values: Floats, mask: NDArray[np.bool_], contents: Sequence[str]
) -> tuple[float, float, tuple[float, float] | None] | None:
    """Mean where a mask holds, mean elsewhere, and the interval of their difference over contents.

    Returns:
        None where either side is empty; no interval where most draws leave one empty.
    """
    from metrics.bootstrap import interval
    from metrics.sr.interval import GroupBootstrap

    if mask.all() or not mask.any():
        return None
    draws = GroupBootstrap(contents, DRAWS)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside, outside = (draws.means(values * side) / draws.means(side) for side in (mask, ~mask))
    return float(values[mask].mean()), float(values[~mask].mean()), interval(inside - outside)


def low_contrast_failures(found: Judged) -> list[int]:
    """Places of clips that fill up even at the lowest threshold above 0 and err above the median, the worst first."""
    errors = found.errors.mean(0)
    places = np.flatnonzero(found.filled[found.lowest] & (errors > np.median(errors)))
    return sorted(places.tolist(), key=lambda place: -errors[place])


def _targets(table: Mapping[str, Item]) -> dict[str, float]:
    return {id: item.values["target"] for id, item in table.items()}
