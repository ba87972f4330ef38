"""How sure a difference between variants is: over seeds, and over the contents of the test set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.runs import Item, Run

# Fewer seeds than this say nothing of their spread.
ENOUGH_SEEDS = 3
DRAWS = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """Values of several seeds.

    Args:
        n: Seeds.
        mean: Mean.
        sd: Sample standard deviation; None for one seed.
        interval: 95 % interval of the mean by Student's t; None for fewer than three seeds.
    """

    n: int
    mean: float
    sd: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Change:
    """A variant against the baseline on the same files.

    Args:
        figure: What was compared.
        value: Mean over the seeds of the variant less that of the baseline.
        interval: 95 % interval over contents: paired bootstrap, whole contents drawn.
        p: Two-sided share of draws on the other side of no change, at least one of all draws.
        contents: Number of contents.
        files: Number of files.
    """

    figure: str
    value: float
    interval: tuple[float, float]
    p: float
    contents: int
    files: int


def spread(values: Sequence[float]) -> Spread:
    """Mean over seeds and how sure it is.

    >>> spread([1.0, 2.0, 3.0]).sd
    1.0
    >>> spread([1.0, 2.0]).interval is None
    True
    """
    n, mean = len(values), float(np.mean(values))
    sd = float(np.std(values, ddof=1)) if n > 1 else None
    if n < ENOUGH_SEEDS or sd is None:
        return Spread(n, mean, sd, None)
    from scipy.stats import t

    reach = float(t.ppf((1 + LEVEL) / 2, n - 1)) * sd / math.sqrt(n)
    return Spread(n, mean, sd, (mean - reach, mean + reach))


def paired_seeds(ours: Sequence[Run], theirs: Sequence[Run], split: str) -> Spread | None:
    """Change of the score over the seeds that both have; None where there is none."""
    known = {run.seed: run.score(split) for run in theirs}
    gaps = []
    for run in ours:
        mine, other = run.score(split), known.get(run.seed)
        if mine is not None and other is not None:
            gaps.append(mine - other)
    return spread(gaps) if gaps else None


def paired_contents(ours: Sequence[Run], theirs: Sequence[Run], split: str, seed: int = 0) -> Change | None:
    """Change on the files of a split; None where the runs were not judged on the same ones, or on a single content.

    The score of videos is (SROCC + PLCC) / 2, since rank pairs do not stand in the record; that of images is the mean
    of what the run was judged by.
    """
    tables = [[run.items(split) for run in runs] for runs in (ours, theirs)]
    first = tables[0][0] if tables[0] else {}
    ids = sorted(first)
    if len({first[id].content for id in ids}) < 2 or any(
        table.keys() != first.keys() for side in tables for table in side
    ):
        return None
    contents = [first[id].content for id in ids]
    if ours[0].on_images != theirs[0].on_images:
        return None
    compared = _images if ours[0].on_images else _videos
    found = compared(tables, ids, contents, ours[0].judged_by, seed)
    if found is None:
        return None
    figure, value, draws = found
    draws = draws[np.isfinite(draws)]
    if len(draws) < DRAWS / 2:
        return None
    tail = min(np.mean(draws <= 0), np.mean(draws >= 0))
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    p = min(1.0, max(2 * float(tail), 1 / len(draws)))
    return Change(figure, value, (float(low), float(high)), p, len(set(contents)), len(ids))


Found = tuple[str, float, NDArray[np.float64]]


def _videos(
    tables: list[list[dict[str, Item]]], ids: list[str], contents: list[str], name: str, seed: int
) -> Found | None:
    from metrics.bootstrap import ContentBootstrap

    target = np.array([tables[0][0][id].values["target"] for id in ids])
    bootstrap = ContentBootstrap(target, contents, draws=DRAWS, seed=seed)
    wholes, draws = [], []
    for side in tables:
        predictions = [np.array([table[id].values["prediction"] for id in ids]) for table in side]
        for table in side:
            if any(table[id].values["target"] != value for id, value in zip(ids, target, strict=True)):
                return None
        wholes.append(float(np.mean([bootstrap.whole(each)["final_no_rank"] for each in predictions])))
        draws.append(np.mean([bootstrap.scores(each)["final_no_rank"] for each in predictions], axis=0))
    return "(SROCC + PLCC) / 2", wholes[0] - wholes[1], draws[0] - draws[1]


def _images(
    tables: list[list[dict[str, Item]]], ids: list[str], contents: list[str], name: str, seed: int
) -> Found | None:
    from metrics.sr.interval import GroupBootstrap

    if any(name not in table[id].values for side in tables for table in side for id in ids):
        return None
    means = [np.mean([[table[id].values[name] for id in ids] for table in side], axis=0) for side in tables]
    gaps = means[0] - means[1]
    return name, float(gaps.mean()), GroupBootstrap(contents, DRAWS, seed).means(gaps)


def holm(values: Sequence[float]) -> list[float]:
    """P values corrected for how many were looked at (Holm, 1979), in the same order.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(values)), key=lambda place: values[place])
    corrected, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = least
    return corrected
