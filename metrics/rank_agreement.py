"""Whether a metric ranks a handful of systems as people do, and how easily chance would."""

from collections.abc import Sequence
from itertools import permutations
from math import factorial
from typing import NamedTuple

import numpy as np

from metrics.correlation import krocc, srocc

# Up to so many systems every order is looked at.
EXACT = 8


class Agreement(NamedTuple):
    """Agreement of a metric with strengths.

    Attributes:
        n: Number of systems.
        srocc: Spearman's correlation.
        krocc: Kendall's correlation.
        p: Share of the orders of the metric's values whose SROCC is as far from 0 or further; 1 says nothing at all.
    """

    n: int
    srocc: float
    krocc: float
    p: float


def rank_agreement(metric: Sequence[float], people: Sequence[float], draws: int = 10_000, seed: int = 0) -> Agreement:
    """Correlations with the two-sided p-value of a permutation test, exact up to 8 systems.

    Args:
        metric: A value a system, more being better.
        people: Their strengths.
        draws: Random orders where there are more systems than can be looked at one by one.
        seed: Seed of these.

    >>> rank_agreement([1, 2, 3, 4], [1, 2, 3, 4]).p
    0.08333333333333333
    """
    values, strength = np.asarray(metric, float), np.asarray(people, float)
    found = srocc(values, strength)
    if not np.isfinite(found):
        return Agreement(len(values), float("nan"), float("nan"), 1.0)
    orders: list[np.ndarray] | np.ndarray
    if len(values) <= EXACT:
        orders = np.array(list(permutations(range(len(values)))))
    else:
        random = np.random.default_rng(seed)
        orders = np.array([random.permutation(len(values)) for _ in range(draws)])
    others = np.array([srocc(values[order], strength) for order in orders])
    hits = int((np.abs(others) >= abs(found) - 1e-12).sum())
    exact = len(orders) == factorial(len(values)) and len(values) <= EXACT
    p = hits / len(orders) if exact else (hits + 1) / (len(orders) + 1)
    return Agreement(len(values), found, krocc(values, strength), p)
