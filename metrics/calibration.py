"""Whether stated chances are kept: log loss, and shares of hits by how sure a model was."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

# Chances of 0 and 1 that turn out wrong would cost infinitely much.
_LEAST = 1e-6


class Bin(NamedTuple):
    """Predictions that were about equally sure.

    Attributes:
        low: Least chance of the bin.
        high: Largest.
        n: Predictions in it.
        said: Mean chance given to what was thought likelier; nan for an empty bin.
        held: Share in which that came true; nan likewise.
    """

    low: float
    high: float
    n: int
    said: float
    held: float


def log_loss(chance: ArrayLike, won: ArrayLike) -> float:
    """Mean of minus the log of the chance given to what came true; log 2 for knowing nothing.

    >>> round(log_loss([0.5, 0.5], [1, 0]), 4)
    0.6931
    """
    said, true = np.clip(np.asarray(chance, np.float64), _LEAST, 1 - _LEAST), np.asarray(won, np.float64)
    return float(-np.mean(true * np.log(said) + (1 - true) * np.log(1 - said)))


def hits(chance: ArrayLike, won: ArrayLike) -> np.ndarray:
    """(n,) 1 where the likelier of two came true, 0 where the other did, a half where both were given a half."""
    said, true = np.asarray(chance, np.float64), np.asarray(won, np.float64)
    return np.where(said == 0.5, 0.5, (said > 0.5) == (true > 0.5)).astype(np.float64)


def reliability(
    chance: ArrayLike, won: ArrayLike, edges: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
) -> list[Bin]:
    """Predictions by the chance of what was thought likelier: which of two stands first says nothing.

    >>> [(b.n, b.said, b.held) for b in reliability([0.75, 0.75, 0.25, 0.75], [1, 1, 0, 0], (0.5, 1.0))]
    [(4, 0.75, 0.75)]
    """
    said, right = np.asarray(chance, np.float64), hits(chance, won)
    sure = np.maximum(said, 1 - said)
    place = np.clip(np.searchsorted(edges, sure, side="right") - 1, 0, len(edges) - 2)
    bins = []
    for number, (low, high) in enumerate(pairwise(edges)):
        inside = place == number
        count = int(inside.sum())
        means = (float(sure[inside].mean()), float(right[inside].mean())) if count else (np.nan, np.nan)
        bins.append(Bin(low, high, count, *means))
    return bins


def expected_error(bins: Sequence[Bin]) -> float:
    """Mean gap between what was said and what held, over predictions (ECE)."""
    total = sum(each.n for each in bins)
    return sum(each.n * abs(each.said - each.held) for each in bins if each.n) / total if total else float("nan")
