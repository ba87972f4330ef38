"""Mean-subtracted, contrast-normalised values: what PIQE and NIQE see of a picture."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def normalised(plane: Floats) -> tuple[Floats, Floats]:
    """Values less their local mean, over their local deviation plus one; Gaussian of 7 taps, sigma 7/6.

    Args:
        plane: (height, width) grey or luma, 0 to 255.

    Returns:
        The normalised values and the local deviation, (height, width) each.
    """
    from scipy.ndimage import correlate1d

    taps = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    taps /= taps.sum()
    maps = np.stack([plane, plane * plane])
    for axis in (1, 2):
        maps = correlate1d(maps, taps, axis=axis, mode="nearest")
    deviation = np.sqrt(np.abs(maps[1] - maps[0] ** 2))
    return (plane - maps[0]) / (deviation + 1), deviation


def whole_blocks(values: Floats, side: int) -> Floats:
    """(blocks, side, side) squares of a map, row by row; what is left at the far edges is dropped."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    whole = values[: rows * side, : columns * side]
    return whole.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)
