"""Whether a system lies beyond the curve along which others trade one cost for another.

A system of distortion and perceptual quality is a point; a family of systems with one knob, such as blends of two
pictures by a share, is a curve. Costs are figures of which less is better.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def between(shares: Sequence[float], fine: Sequence[float]) -> Floats:
    """Matrix that carries values at ``shares`` to values at ``fine``: the cubic spline through them.

    Both costs of a blend are smooth in its share. Straight lines between the points would lie on the worse side of the
    curve and make what is compared with it look better than it is.

    Args:
        shares: (n,) rising, two or more; three make a parabola, two a line.
        fine: (m,) within them.

    Returns:
        (m, n).
    """
    from scipy.interpolate import CubicSpline

    return np.asarray(CubicSpline(shares, np.eye(len(shares)))(fine), np.float64)


def beyond(curve: ArrayLike, point: ArrayLike, spans: ArrayLike) -> Floats:
    """How far a point lies beyond a curve: the least by which the curve would have to gain in both costs to reach it.

    This is the additive epsilon indicator (Zitzler et al. 2003) with its sign turned: over all points of the curve, the
    least of the larger of both gains. Above 0 no point of the curve is as good in both costs; below 0 some point is
    better in both by that much.

    Args:
        curve: (..., m, 2) costs along the curve.
        point: (..., 2) costs of the point.
        spans: (2,) what a gain in each cost is measured in.

    Returns:
        (...,) in units of the spans.

    >>> float(beyond([[0.0, 1.0], [1.0, 0.0]], [0.0, 0.5], [1.0, 1.0]))
    0.5
    >>> float(beyond([[0.0, 1.0], [0.4, 0.4], [1.0, 0.0]], [0.5, 0.6], [1.0, 1.0])) < 0
    True
    """
    gains = (np.asarray(curve, np.float64) - np.asarray(point, np.float64)[..., None, :]) / np.asarray(spans)
    return gains.max(axis=-1).min(axis=-1)


def gap_at(curve: ArrayLike, point: ArrayLike, axis: int) -> Floats:
    """What the best point of the curve costs that is no worse than a point in the other cost, less what it costs there.

    Args:
        curve: (..., m, 2) costs along the curve.
        point: (..., 2) costs of the point.
        axis: Cost that is told.

    Returns:
        (...,) above 0 where the point is better; nan where the whole curve is worse in the other cost.
    """
    costs, own = np.asarray(curve, np.float64), np.asarray(point, np.float64)
    able = costs[..., 1 - axis] <= own[..., None, 1 - axis]
    least = np.where(able, costs[..., axis], np.inf).min(axis=-1)
    return np.where(able.any(axis=-1), least - own[..., axis], np.nan)
