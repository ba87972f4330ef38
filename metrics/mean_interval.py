"""How sure a mean over images is, where several images show one content."""

from collections.abc import Sequence

import numpy as np


def mean_interval(
    values: Sequence[float], contents: Sequence[str], draws: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """95 % percentile interval of a mean, from draws of whole contents with replacement.

    Args:
        values: One value an image.
        contents: What each shows, as many.
        draws: Number of draws.
        seed: Seed of the draws.

    Returns:
        Low and high; None for fewer than two contents.

    >>> mean_interval([1.0, 1.0, 3.0, 3.0], ["a", "a", "b", "b"])
    (1.0, 3.0)
    """
    names = sorted(set(contents))
    if len(names) < 2:
        return None
    place = {name: index for index, name in enumerate(names)}
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    for value, content in zip(values, contents, strict=True):
        sums[place[content]] += value
        counts[place[content]] += 1
    chosen = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    means = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
