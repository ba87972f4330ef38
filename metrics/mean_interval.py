"""How sure a mean over images is, where several images show one content."""

from collections.abc import Sequence

import numpy as np

from metrics.sr.interval import GroupBootstrap


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
    if len(set(contents)) < 2:
        return None
    low, high = np.quantile(GroupBootstrap(contents, draws, seed).means(values), [0.025, 0.975])
    return float(low), float(high)
