"""PIQE: distortion of a picture's busy blocks, without an original and without any training.

Method: Venkatanath et al., "Blind image quality evaluation using perception based features", NCC 2015, with the
constants and the order of steps that the common programs share (MATLAB's ``piqe``, pypiqe 1.2), so that scores agree.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from metrics.sr.mscn import Floats, normalised, whole_blocks

_BLOCK, _SEGMENT = 16, 6
_ACTIVE, _FLAT = 0.1, 0.1
_CENTRE = (7, 8)
# The common programs take out column 7 and then the ninth of those left, so column 8 stays in the surround.
_SURROUND = [column for column in range(_BLOCK) if column not in (7, 9)]


def piqe(picture: NDArray[np.uint8]) -> float:
    """Perception based quality of a picture.

    Args:
        picture: (height, width, 3) uint8 RGB.

    Returns:
        0 (no distortion) to 100 (every busy block is distorted, or no block is busy). It may leave that range by a
        little where very noisy blocks have a variance above 1.
    """
    blocks = whole_blocks(normalised(_grey(picture))[0], _BLOCK)
    variance = blocks.var(axis=(1, 2), ddof=1)
    active = variance > _ACTIVE
    blocks, variance = blocks[active], variance[active]
    distortion = _has_flat_edge(blocks) * (1 - variance) + _is_noisy(blocks, variance) * variance
    return float(100 * (distortion.sum() + 1) / (len(blocks) + 1))


def _grey(picture: NDArray[np.uint8]) -> Floats:
    """BT.601 grey, rounded to 8 bit, padded by reflection to whole blocks and stretched to a maximum of 255."""
    grey = np.rint(picture @ np.array([0.299, 0.587, 0.114]))
    padding = [(0, -side % _BLOCK) for side in grey.shape]
    grey = np.pad(grey, padding, mode="symmetric")
    return np.rint(255 * grey / max(float(grey.max()), 1.0))


def _has_flat_edge(blocks: Floats) -> NDArray[np.bool_]:
    """Whether six neighbouring pixels on a block's edge are nearly equal, as blockiness makes them."""
    edges = np.stack([blocks[:, 0], blocks[:, -1], blocks[:, :, 0], blocks[:, :, -1]], axis=1)
    spread = sliding_window_view(edges, _SEGMENT, axis=2).std(axis=-1, ddof=1)
    return (spread < _FLAT).any(axis=(1, 2))


def _is_noisy(blocks: Floats, variance: Floats) -> NDArray[np.bool_]:
    """Whether a block's deviation is far above the gap between it and the ratio of its centre's and surround's."""
    deviation = np.sqrt(variance)
    centre = blocks[:, :, _CENTRE].std(axis=(1, 2), ddof=1)
    surround = blocks[:, :, _SURROUND].std(axis=(1, 2), ddof=1)
    ratio = np.divide(centre, surround, out=np.zeros_like(centre), where=surround > 0)
    return deviation > 2 * np.abs(deviation - ratio) / np.maximum(deviation, ratio)
