"""Agreement of predictions with opinion scores: rank and linear correlation, and error.

All take two sequences of n numbers of any scale and return a float; nan where the value does not exist (fewer than
two rows, constant input, a value that is not finite), as scipy does. What a nan counts for is the caller's choice.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def srocc(prediction: ArrayLike, target: ArrayLike) -> float:
    """Spearman's rank correlation, ties at their mean rank; -1 to 1.

    >>> srocc([1, 2, 3, 9], [10, 20, 30, 40])
    1.0
    """
    p, y = _pair(prediction, target)
    return plcc(mean_ranks(p), mean_ranks(y)) if _finite(p, y) else np.nan


def plcc(prediction: ArrayLike, target: ArrayLike) -> float:
    """Pearson's linear correlation of the raw values, without a fit; -1 to 1.

    >>> plcc([1, 2, 3], [3, 2, 1])
    -1.0
    """
    p, y = _pair(prediction, target)
    # Compared, not computed: the sd of equal numbers is often some 1e-17 instead of 0.
    if not _finite(p, y) or np.all(p == p[0]) or np.all(y == y[0]):
        return np.nan
    p, y = p - p.mean(), y - y.mean()
    # Scaled first: squares of tiny spreads would vanish.
    p, y = p / np.abs(p).max(), y / np.abs(y).max()
    return float(np.clip(np.dot(p, y) / np.sqrt(np.dot(p, p) * np.dot(y, y)), -1, 1))


def plcc_fit4(prediction: ArrayLike, target: ArrayLike) -> float:
    """Pearson's correlation after the 4-parameter logistic map of VQEG, ``low + height / (1 + exp((c - p) / s))``.

    The least-squares map. For a given centre and slope the best ``low`` and ``height`` are a linear regression, which
    leaves the correlation alone; so the fit is a search over two numbers for the highest correlation, and it cannot
    fail to converge. The map may only rise: reversed predictions earn nothing by it, as they do where ``height`` is
    left free. A straight line is the limit of a wide slope, so the value is never below :func:`plcc`. It is not the
    challenge's figure, and not comparable with :func:`plcc`.

    Returns:
        The correlation, -1 to 1; nan for fewer than 5 rows, which four parameters always fit.

    >>> x = np.linspace(-3, 3, 50)
    >>> round(plcc(x, 1 / (1 + np.exp(-3 * x))), 3), round(plcc_fit4(x, 1 / (1 + np.exp(-3 * x))), 3)
    (0.941, 1.0)
    """
    p, y = _pair(prediction, target)
    straight = plcc(p, y)
    if len(p) < 5 or np.isnan(straight):
        return np.nan
    return max(straight, plcc(_shape(p, *_best_shape(p, y)), y))


def rmse_fit4(prediction: ArrayLike, target: ArrayLike) -> float:
    """Root mean squared error after the map of :func:`plcc_fit4`: what is left once the scale is given away.

    The map is a least-squares fit, so its error is the spread of the labels that the correlation leaves. Reversed
    predictions earn nothing: the best map that may only rise is then flat.

    Returns:
        The error in label units; nan where :func:`plcc_fit4` is.

    >>> round(rmse_fit4([10, 20, 30, 40, 50], [1, 2, 3, 4, 5]), 6)
    0.0
    """
    correlation = max(plcc_fit4(prediction, target), 0.0)
    return float(np.std(np.asarray(target, np.float64)) * np.sqrt(1 - correlation**2))


def logistic4(prediction: ArrayLike, target: ArrayLike) -> Callable[[ArrayLike], Floats] | None:
    """The map behind :func:`plcc_fit4`, from predictions to label units, for drawing.

    Returns:
        The rising map, or None where there is none to fit.
    """
    p, y = _pair(prediction, target)
    if len(p) < 5 or np.isnan(plcc(p, y)):
        return None
    slope, shift = _best_shape(p, y)
    height, low = np.polyfit(_shape(p, slope, shift), y, 1)
    mean, sd = p.mean(), p.std()

    def curve(values: ArrayLike) -> Floats:
        return low + height * _rise((np.asarray(values, np.float64) - mean) / sd, slope, shift)

    return curve


def _shape(p: Floats, log_slope: float, shift: float) -> Floats:
    return _rise((p - p.mean()) / p.std(), log_slope, shift)


def _rise(z: Floats, log_slope: float, shift: float) -> Floats:
    """The logistic but for a constant, which neither a correlation nor a line minds."""
    from scipy.special import expit

    x = np.exp(log_slope) * z + shift
    # Next to 1 a shoulder has no digits left, and its steps would be fitted: 0.75 and 0.76 in place of 0.71 on 1 and
    # 4 ranks.
    return expit(x) if shift <= 0 else -expit(-x)


def _best_shape(p: Floats, y: Floats) -> tuple[float, float]:
    """Log slope and shift, both on z-scored predictions, of the logistic that correlates best with ``y``."""
    from scipy.optimize import minimize

    def disagreement(slope_and_shift: Floats) -> float:
        value = plcc(_shape(p, *slope_and_shift), y)
        return 1.0 if np.isnan(value) else 1 - value

    # Slopes up to 10 per standard deviation: a step that singles out one row is no map of a scale. Shifts reach far
    # beyond the data, where the map is all foot or all shoulder.
    bounds = [(np.log(0.01), np.log(10.0)), (-50.0, 50.0)]
    fits = [
        minimize(disagreement, (np.log(slope), shift), method="Nelder-Mead", bounds=bounds, options={"fatol": 1e-12})
        for slope, shift in ((4.0, 0.0), (1.0, 0.0), (1.0, -4.0), (1.0, 4.0))
    ]
    best = min(fits, key=lambda fit: float(fit.fun)).x
    return float(best[0]), float(best[1])


def krocc(prediction: ArrayLike, target: ArrayLike) -> float:
    """Kendall's rank correlation, tau-b (ties accounted for); -1 to 1.

    >>> round(krocc([1, 2, 3, 4], [1, 2, 4, 3]), 4)
    0.6667
    """
    from scipy.stats import kendalltau

    p, y = _pair(prediction, target)
    if not _finite(p, y) or np.all(p == p[0]) or np.all(y == y[0]):
        return np.nan
    return float(kendalltau(p, y).statistic)


def rmse(prediction: ArrayLike, target: ArrayLike) -> float:
    """Root mean squared error of the raw values, in label units: nothing is fitted or rescaled before.

    A model whose output is not in label units has a large error at a high correlation.

    >>> rmse([1, 2], [1, 4])
    1.4142135623730951
    """
    p, y = _pair(prediction, target)
    return float(np.sqrt(np.mean((p - y) ** 2))) if len(p) else np.nan


def mean_ranks(values: ArrayLike) -> Floats:
    """Ranks from 1, (n,) float64; equal values share the mean of their ranks.

    >>> mean_ranks([5.0, 7.0, 5.0, 1.0])
    array([2.5, 4. , 2.5, 1. ])
    """
    _, place, count = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def _pair(prediction: ArrayLike, target: ArrayLike) -> tuple[Floats, Floats]:
    p, y = np.asarray(prediction, np.float64), np.asarray(target, np.float64)
    if p.ndim != 1 or p.shape != y.shape:
        raise ValueError(f"predictions of shape {p.shape} for targets of shape {y.shape}, expected (n,) and (n,)")
    return p, y


def _finite(p: Floats, y: Floats) -> bool:
    return len(p) > 1 and bool(np.isfinite(p).all() and np.isfinite(y).all())
