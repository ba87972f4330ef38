"""The curve that blends make in two figures, and where a fusion lies beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.score_kwaisr.folders import Item, files_of, match
from experiments.score_kwaisr.scoring import Values, build_all, learned_distances, score_items
from metrics.bootstrap import interval
from metrics.sr.front import between, beyond, gap_at
from metrics.sr.interval import GroupBootstrap
from metrics.sr.registry import METRICS, Sources
from records.errors import UserError

Floats = NDArray[np.float64]
DRAWS = 2000
# Points of the curve that the fusion is held against.
FINE = 401


class Axis(NamedTuple):
    """One figure over the images that it looks at.

    Attributes:
        name: Metric.
        title: Its name in tables.
        sign: 1 where less is better, else -1.
        ids: Images.
        groups: Photograph of each.
    """

    name: str
    title: str
    sign: int
    ids: list[str]
    groups: list[str]

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return "\u2193" if self.sign > 0 else "\u2191"


class Pictures(NamedTuple):
    """Scored pictures of one system.

    Attributes:
        items: The files.
        values: Their scores.
    """

    items: list[Item]
    values: Values

    def mean(self, axis: Axis) -> float:
        """Mean of a figure."""
        return float(np.mean([self.values[axis.name][id] for id in axis.ids]))


class Estimate(NamedTuple):
    """A value and its interval; ends are None where there is none."""

    value: float
    low: float | None
    high: float | None

    def shown(self, digits: int) -> str:
        """With its interval, as a table shows it."""
        if not np.isfinite(self.value):
            return "none"
        reach = "" if self.low is None else f" ({self.low:+.{digits}f} to {self.high:+.{digits}f})"
        return f"{self.value:+.{digits}f}{reach}"


class Judged(NamedTuple):
    """Where the fusion lies in two figures.

    Attributes:
        first: Distortion.
        second: Perception.
        beyond: How far beyond the curve, in shares of the curve's spans.
        gains: In each figure, against the best blend that is no worse in the other.
        seeds: ``beyond`` of each seed, as a table shows it.
    """

    first: Axis
    second: Axis
    beyond: Estimate
    gains: tuple[Estimate, Estimate]
    seeds: str


def read_pictures(
    blends: Sequence[Path], fusions: Sequence[Path], truth: Path, names: Sequence[str], weights: Sequence[str]
) -> tuple[list[Pictures], list[Pictures]]:
    """Score all folders.

    Raises:
        UserError: A metric cannot be had, or pictures are missing, unreadable or of another size.
    """
    from experiments.score_kwaisr.command import weight_files

    metrics = build_all(names, Sources(weights=weight_files(weights), distances=learned_distances()))
    for told in metrics.missing.values():
        raise UserError(told, where="--perception or --wild", mend="or name another")
    wanted = files_of(truth)
    found = [match(folder, wanted, {}, truth, 1) for folder in (*blends, *fusions)]
    if any([item.id for item in items] != [item.id for item in found[0]] for items in found):
        mend = "give synthetic/ and wild/ in all, or in none"
        raise UserError("the folders do not hold the same images", where="--blend and --fusion", mend=mend)
    scored = [Pictures(items, score_items(items, metrics.scorers)) for items in found]
    for each in scored:
        for name, by_id in each.values.items():
            if odd := [id for id, value in by_id.items() if not np.isfinite(value)]:
                mend = "leave it out of all folders"
                raise UserError(f"{name} of {odd[0]} is not finite", where=str(each.items[0].file.parent), mend=mend)
    return scored[: len(blends)], scored[len(blends) :]


def axes_of(
    pictures: Pictures, distortions: Sequence[str], perception: str, wild: str
) -> tuple[list[Axis], Axis, Axis]:
    """Figures of distortion and perception over the synthetic images, and one over the wild ones.

    Raises:
        UserError: A metric does not look at such images.
    """

    def axis(name: str, domain: str) -> Axis:
        kept = [item for item in pictures.items if item.domain == domain and item.id in pictures.values[name]]
        metric = METRICS[name]
        return Axis(
            name,
            f"{metric.title}{' of wild images' if domain == 'wild' else ''}",
            1 if metric.direction == "lower" else -1,
            [item.id for item in kept],
            [item.group for item in kept],
        )

    found = [axis(name, "synthetic") for name in (*distortions, perception)]
    if blind := [each.name for each in found if not each.ids]:
        mend = "name one that compares synthetic pictures with their originals, or give such pictures"
        raise UserError(f"{', '.join(blind)} looks at no picture here", where="--distortion, --perception", mend=mend)
    return found[:-1], found[-1], axis(wild, "wild")


def judge(
    grid: Sequence[float], first: Axis, second: Axis, blends: Sequence[Pictures], fusions: Sequence[Pictures]
) -> Judged:
    """Hold the fusion, mean over its seeds, against the curve.

    Raises:
        UserError: All blends are equal in a figure.
    """
    nodes, node_draws = _costs(blends, first, second)
    points, point_draws = _costs(fusions, first, second)
    spans = nodes.max(axis=0) - nodes.min(axis=0)
    if not (spans > 0).all():
        mend = "give candidates that differ"
        raise UserError(f"all blends are equal in {first.name} or {second.name}", where="--blend", mend=mend)
    matrix = between(grid, np.linspace(grid[0], grid[-1], FINE).tolist())
    curve, curve_draws = matrix @ nodes, matrix @ node_draws
    point, drawn = points.mean(axis=0), point_draws.mean(axis=1)
    several = len(set(first.groups)) > 1 and len(set(second.groups)) > 1

    def estimate(value: Floats, draws: Floats) -> Estimate:
        ends = interval(draws) if several else None
        return Estimate(float(value), *(ends or (None, None)))

    gains = [estimate(gap_at(curve, point, axis), gap_at(curve_draws, drawn, axis)) for axis in (0, 1)]
    each = ", ".join(f"{float(beyond(curve, point, spans)):+.3f}" for point in points)
    return Judged(
        first,
        second,
        estimate(beyond(curve, point, spans), beyond(curve_draws, drawn, spans)),
        (gains[0], gains[1]),
        each,
    )


def _costs(systems: Sequence[Pictures], *axes: Axis) -> tuple[Floats, Floats]:
    """Mean costs (systems, 2), and those of each draw of photographs (draws, systems, 2).

    Figures of the same images are drawn together; those of others, apart.
    """
    means, draws = [], []
    for seed, axis in enumerate(axes):
        same = axis.ids == axes[0].ids
        boot = GroupBootstrap(axis.groups, DRAWS, 0 if same else seed)
        rows = [axis.sign * np.array([each.values[axis.name][id] for id in axis.ids]) for each in systems]
        means.append([row.mean() for row in rows])
        draws.append([boot.means(row) for row in rows])
    return np.array(means).T, np.array(draws).transpose(2, 1, 0)
