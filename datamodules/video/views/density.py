"""How much fine structure the parts of a frame hold, and which of them are worth a network's time."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

Measure = Literal["density", "relative", "variance"]
MEASURES = get_args(Measure)
# A pixel carries fine structure where the Laplacian of luma in 0..1 is larger than this, ten grey levels of 255.
EDGE = 10 / 255
_LUMA = np.array([0.299, 0.587, 0.114], np.float32) / 255


@dataclass(frozen=True)
class Slicing:
    """The candidate tiles of one frame, and those that are cut.

    Args:
        height: Height to give the frame first, pixels; its own unless it is too small for the tiles.
        width: Width in the same way.
        boxes: int (n, 4): top, left, bottom, right of each candidate, in reading order.
        densities: float (n,) in 0..1, what the measure gives each of them.
        kept: bool (n,), which reach the threshold.
        chosen: int (tiles,), places in ``boxes`` of those that are cut, ascending.
    """

    height: int
    width: int
    boxes: np.ndarray
    densities: np.ndarray
    kept: np.ndarray
    chosen: np.ndarray

    @property
    def kept_share(self) -> float:
        """Share of the candidates that reach the threshold."""
        return float(self.kept.mean())


def luma(rgb: np.ndarray) -> np.ndarray:
    """Luma by BT.601's weights: uint8 (H, W, 3) to float32 (H, W) in 0..1."""
    return rgb @ _LUMA


def laplacian(luma: np.ndarray, denoise_sigma: float = 0.8) -> np.ndarray:
    """The 4-neighbour Laplacian of a slightly blurred frame; edges are repeated outwards.

    Args:
        luma: float (H, W) in 0..1.
        denoise_sigma: Standard deviation of the Gaussian blur, pixels, cut off at ``ceil(denoise_sigma)`` pixels: 0.8
            gives 3 x 3. Without it (0), sensor noise of two grey levels would pass for structure.

    Returns:
        float32 (H, W).
    """
    from scipy.ndimage import correlate1d, laplace

    image = np.asarray(luma, np.float32)
    if denoise_sigma:
        radius = math.ceil(denoise_sigma)
        kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * denoise_sigma**2))
        for axis in (0, 1):
            image = correlate1d(image, kernel / kernel.sum(), axis, mode="nearest")
    return laplace(image, mode="nearest")


def density(luma: np.ndarray, denoise_sigma: float = 0.8) -> float:
    """Share of the pixels that carry fine structure: |Laplacian| above 10 grey levels of 255.

    Args:
        luma: float (H, W) in 0..1.
        denoise_sigma: Blur before the Laplacian, pixels.

    Returns:
        0..1: 0 on flat areas and linear ramps, whatever the size and the bit depth.
    """
    return float((np.abs(laplacian(luma, denoise_sigma)) > EDGE).mean())


def tile_densities(
    luma: np.ndarray, boxes: np.ndarray, measure: Measure = "density", denoise_sigma: float = 0.8
) -> np.ndarray:
    """What a measure gives each tile of a frame.

    Args:
        luma: float (H, W) in 0..1.
        boxes: int (n, 4): top, left, bottom, right.
        measure: ``density`` as in :func:`density`. ``relative``: mean |Laplacian|, divided by that of the frame's
            strongest tile, so that something always reaches a threshold up to 1. ``variance``: share of the frame's
            tiles in which the Laplacian varies less.
        denoise_sigma: Blur before the Laplacian, pixels.

    Returns:
        float64 (n,) in 0..1.
    """
    sharp = laplacian(luma, denoise_sigma)
    if measure == "density":
        return _of_tiles(np.mean, np.abs(sharp) > EDGE, boxes)
    if measure == "relative":
        means = _of_tiles(np.mean, np.abs(sharp), boxes)
        # An 8-bit level is 1 / 255: what is far below it is rounding, not structure.
        return means / max(1e-6, float(means.max()))
    variances = _of_tiles(np.var, sharp, boxes)
    return np.searchsorted(np.sort(variances), variances, side="left") / len(variances)


def grid(height: int, width: int, size: int, border: float = 0.0) -> np.ndarray:
    """Square tiles side by side over a frame; the last of a row and of a column are moved back to fit.

    Args:
        height: Frame height, pixels.
        width: Frame width, pixels.
        size: Height and width of a tile, at most what is left inside the border.
        border: Share of height and of width that is left out at each edge.

    Returns:
        int64 (n, 4): top, left, bottom, right, in reading order.
    """
    tops, lefts = _starts(height, size, border), _starts(width, size, border)
    corners = np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.concatenate([corners, corners + size], axis=1)


def grown(height: int, width: int, size: int, tiles: int, border: float = 0.0) -> tuple[int, int]:
    """The size that a frame must have to give ``tiles`` candidates: its own, or one of the same aspect ratio.

    A frame grows only where its grid has too few tiles, overlapping ones counted, and then until that many stand side
    by side without overlap.

    Args:
        height: Frame height, pixels.
        width: Frame width, pixels.
        size: Height and width of a tile, pixels.
        tiles: Number of candidates wanted.
        border: Share of height and of width that is left out at each edge.
    """
    if _count(height, size, border) * _count(width, size, border) >= tiles:
        return height, width
    best = (math.inf, 0, 0)
    for rows in range(1, tiles + 1):
        least = [math.ceil(count * size / (1 - 2 * border)) for count in (rows, math.ceil(tiles / rows))]
        best = min(best, (max(least[0] / height, least[1] / width), least[0], least[1]))
    scale, least_height, least_width = best
    return max(least_height, round(height * scale)), max(least_width, round(width * scale))


def choose(
    boxes: np.ndarray, densities: np.ndarray, tiles: int, threshold: float, row_cap: int | None = None
) -> np.ndarray:
    """Choose exactly ``tiles`` of the candidates, the same at every call.

    Of the tiles that reach the threshold the densest comes first, then again and again the one farthest from all those
    taken, so that they do not all lie on one object. Where too few reach it (night, sky, skin), the densest of the
    others fill up. A tile that repeats more than half of one already taken (one moved back to fit) comes last.

    Args:
        boxes: int (n, 4), n at least ``tiles``.
        densities: float (n,).
        tiles: Number to choose.
        threshold: Least density that counts as reached.
        row_cap: Most tiles of one row of the grid, so that a line of subtitles does not take them all; more where
            there are too few rows. Null: no limit.

    Returns:
        int64 (tiles,), places in ``boxes``, ascending.
    """
    row = np.unique(boxes[:, 0], return_inverse=True)[1]
    cap = max(row_cap or tiles, math.ceil(tiles / (row.max() + 1)))
    kept = densities >= threshold
    size = boxes[0, 2] - boxes[0, 0]
    away = np.full(len(boxes), np.inf)
    fresh, free = np.ones((2, len(boxes)), dtype=bool)
    taken: list[int] = []
    while len(taken) < tiles:
        pools = (free & fresh & kept, free & fresh, free & kept, free)
        places = np.flatnonzero(next(pool for pool in pools if pool.any()))
        spread = away[places] if kept[places].all() else np.zeros(len(places))
        # Of equals, the first in reading order.
        best = int(places[np.lexsort((-densities[places], -spread))[0]])
        taken.append(best)
        offset = boxes[:, :2] - boxes[best, :2]
        away = np.minimum(away, (offset**2).sum(axis=1))
        fresh &= np.maximum(0, size - np.abs(offset)).prod(axis=1) <= size**2 / 2
        free[best] = False
        if (row[taken] == row[best]).sum() >= cap:
            free[row == row[best]] = False
    return np.sort(taken)


def _of_tiles(statistic: Callable[..., Any], values: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    return np.array([statistic(values[top:bottom, left:right], dtype=np.float64) for top, left, bottom, right in boxes])


def _starts(length: int, size: int, border: float) -> np.ndarray:
    edge = int(border * length)
    return edge + np.minimum(np.arange(_count(length, size, border)) * size, length - 2 * edge - size)


def _count(length: int, size: int, border: float) -> int:
    """Number of tiles along one axis; 0 where not one fits."""
    inside = length - 2 * int(border * length)
    return math.ceil(inside / size) if inside >= size else 0
