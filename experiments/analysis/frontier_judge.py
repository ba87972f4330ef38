"""How well designs do, whether the best of a dearer band is better than that of a cheaper one, and the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from experiments.analysis.frontier_designs import Design
    from experiments.analysis.frontier_heads import Clips
    from experiments.comparison.statistics import Spread
    from metrics.bootstrap import ContentBootstrap

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Predictions of every clip by heads that had not seen its fold, and how good they are.

    Args:
        predictions: (seeds, clips).
        srocc: Over seeds.
        plcc: Over seeds.
        score: (SROCC + PLCC) / 2 over seeds.
        draws: (draws,) score in every draw of contents, the mean over seeds.
        interval: 95 % interval of the score over contents.
    """

    predictions: Floats
    srocc: "Spread"
    plcc: "Spread"
    score: "Spread"
    draws: Floats
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Step:
    """One choice against another on the same clips.

    Args:
        value: Its score less the other's.
        interval: 95 % interval over contents: paired bootstrap, whole contents drawn.
        p: Two-sided share of draws on the other side of no change, at least one of all draws.
    """

    value: float
    interval: tuple[float, float] | None
    p: float


def judge(predictions: Floats, bootstrap: "ContentBootstrap") -> Judged:
    """Judge predictions, (seeds, clips)."""
    from experiments.comparison.statistics import spread
    from metrics.bootstrap import interval

    wholes = [bootstrap.whole(each) for each in predictions]
    rank, line, both = (spread([whole[name] for whole in wholes]) for name in ("srocc", "plcc", "final_no_rank"))
    draws = np.mean([bootstrap.scores(each)["final_no_rank"] for each in predictions], axis=0)
    return Judged(predictions, rank, line, both, draws, interval(draws))


def step(ours: Judged, theirs: Judged) -> Step:
    """How much better the first is than the second."""
    from metrics.bootstrap import interval

    gaps = ours.draws - theirs.draws
    known = gaps[np.isfinite(gaps)]
    tail = min(np.mean(known <= 0), np.mean(known >= 0)) if len(known) else 0.5
    value = ours.score.mean - theirs.score.mean
    return Step(value, interval(gaps), min(1.0, max(2 * float(tail), 1 / max(len(known), 1))))


def chosen_blind(candidates: Sequence[Judged], clips: "Clips") -> Floats:
    """Predictions of each fold by the candidate that is the best on all other folds.

    The best of many on the clips that chose it looks better than it is, and the more so the more there were.

    Returns:
        (seeds, clips).
    """
    from metrics.challenge import final_no_rank
    from metrics.correlation import plcc, srocc

    said = np.empty_like(candidates[0].predictions)
    for fold in np.unique(clips.folds):
        held = clips.folds == fold
        seen = clips.targets[~held]
        scores = [
            np.mean([final_no_rank(srocc(row, seen), plcc(row, seen)) for row in each.predictions[:, ~held]])
            for each in candidates
        ]
        said[:, held] = candidates[int(np.nanargmax(scores))].predictions[:, held]
    return said


def front(designs: Sequence["Design"], judged: Sequence[Judged]) -> list[int]:
    """Places of the designs, which come by cost, that are better than every cheaper one."""
    places: list[int] = []
    for place, each in enumerate(judged):
        if not places or each.score.mean > judged[places[-1]].score.mean:
            if places and designs[place].gmacs == designs[places[-1]].gmacs:
                places.pop()
            places.append(place)
    return places
