"""Strengths of systems from who was preferred to whom (Bradley and Terry 1952)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Virtual half wins and half losses of every system against an average one. A system that always wins would be
# infinitely strong without them.
PRIOR = 0.5


def strengths(wins: NDArray[np.float64], steps: int = 10_000, tolerance: float = 1e-10) -> NDArray[np.float64]:
    """Log strengths whose mean is 0, by the minorisation of Hunter (2004).

    ``P(i before j) = 1 / (1 + exp(s_j - s_i))``.

    Args:
        wins: (n, n); how often the system of the row was preferred to that of the column. A tie counts half for both.
        steps: Most iterations.
        tolerance: Largest change at which it stops.

    Returns:
        (n,) log strengths.

    >>> [round(float(s), 3) for s in strengths(np.array([[0.0, 30.0], [10.0, 0.0]]))]
    [0.541, -0.541]
    """
    games = wins + wins.T
    won = wins.sum(1) + PRIOR
    strength = np.ones(len(wins))
    for _ in range(steps):
        share = (games / (strength[:, None] + strength[None])).sum(1) + 2 * PRIOR / (strength + 1)
        new = won / share
        new /= np.exp(np.log(new).mean())
        moved = np.abs(np.log(new / strength)).max()
        strength = new
        if moved < tolerance:
            break
    return np.log(strength)


def win_table(votes: Sequence[tuple[int, int, float]], count: int) -> NDArray[np.float64]:
    """Table of wins.

    Args:
        votes: First system, second system, and what the first one got of the point: 1, 0.5 or 0.
        count: Number of systems.
    """
    wins = np.zeros((count, count))
    for first, second, share in votes:
        wins[first, second] += share
        wins[second, first] += 1 - share
    return wins


def intervals(
    votes: Sequence[tuple[int, int, float]], images: Sequence[str], count: int, draws: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """95 % intervals of the strengths, from draws of whole images with replacement.

    Args:
        votes: As in :func:`win_table`.
        images: What each vote looked at.
        count: Number of systems.
        draws: Number of draws.
        seed: Seed of the draws.

    Returns:
        (n, 2) low and high.
    """
    names = sorted(set(images))
    tables = {name: np.zeros((count, count)) for name in names}
    for image, vote in zip(images, votes, strict=True):
        tables[image] += win_table([vote], count)
    stacked = np.stack([tables[name] for name in names])
    chosen = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    drawn = np.array([strengths(stacked[rows].sum(0), steps=300, tolerance=1e-6) for rows in chosen])
    return np.quantile(drawn, [0.025, 0.975], axis=0).T
