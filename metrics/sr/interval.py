"""Bootstrap of means over photographs: how far a mean may be off because others could have been chosen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class GroupBootstrap:
    """Draws of whole groups with replacement; every metric of a set is judged on the same draws.

    Args:
        groups: (n,) names of the photograph that each picture is cut from.
        draws: Number of draws.
        seed: Seed of the draws.
    """

    def __init__(self, groups: Sequence[str], draws: int = 2000, seed: int = 0) -> None:
        self.codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
        self.groups = int(self.codes.max()) + 1 if len(self.codes) else 0
        generator = np.random.default_rng(seed)
        chance = np.full(self.groups, 1 / max(self.groups, 1))
        self.counts: Floats = generator.multinomial(self.groups, chance, size=draws).astype(np.float64)

    def means(self, values: ArrayLike) -> Floats:
        """Mean over the pictures of each draw.

        Args:
            values: (n,) finite values, in the order of ``groups``.

        Returns:
            (draws,) means.
        """
        numbers = np.asarray(values, np.float64)
        totals = np.bincount(self.codes, numbers, self.groups)
        sizes = np.bincount(self.codes, minlength=self.groups).astype(np.float64)
        return (self.counts @ totals) / (self.counts @ sizes)
