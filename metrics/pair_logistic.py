"""Chance that one of two is preferred, from differences of their figures: a logistic model without an intercept."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class PairModel(NamedTuple):
    """A fitted model.

    Attributes:
        scale: (k,) what a difference of each figure is measured in, its root mean square in training.
        weights: (k,) log odds for one such difference.
    """

    scale: Floats
    weights: Floats

    def chance(self, differences: ArrayLike) -> Floats:
        """Chance that the first is preferred.

        Args:
            differences: (n, k) figures of the first less those of the second.

        Returns:
            (n,) 0 to 1; with first and second exchanged, 1 less that.
        """
        from scipy.special import expit

        return expit(np.asarray(differences, np.float64) / self.scale @ self.weights)


def fit_pairs(differences: ArrayLike, won: ArrayLike, penalty: float = 1.0, steps: int = 50) -> PairModel:
    """Most likely weights under a penalty of half their squared length, by Newton's method.

    The penalty keeps weights finite where one figure tells every pair apart.

    Args:
        differences: (n, k) figures of the first less those of the second.
        won: (n,) 1 where the first was preferred, else 0.
        penalty: Weight of the penalty, above 0; the likelihood is summed over pairs.
        steps: Most steps.

    >>> model = fit_pairs([[1.0], [1.0], [1.0], [1.0]], [1, 1, 1, 0], penalty=1e-9)
    >>> round(float(model.chance([[1.0]])[0]), 4)
    0.75
    """
    from scipy.special import expit

    rows, label = np.asarray(differences, np.float64), np.asarray(won, np.float64)
    scale = np.sqrt(np.mean(rows**2, axis=0))
    scale[scale == 0] = 1.0
    rows = rows / scale
    weights = np.zeros(rows.shape[1])
    for _ in range(steps):
        chance = expit(rows @ weights)
        slope = rows.T @ (label - chance) - penalty * weights
        curvature = (rows * (chance * (1 - chance))[:, None]).T @ rows + penalty * np.eye(len(weights))
        step = np.linalg.solve(curvature, slope)
        # A full step may overshoot where chances are near 0 or 1.
        weights += step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    return PairModel(scale, weights)
