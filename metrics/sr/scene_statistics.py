"""Three plain statistics of a picture's normalised luma: cheap figures without reference, for a fusion of metrics.

Natural pictures have about the same ones (Ruderman 1994); blur lowers sharpness and ties neighbours together, noise
does the opposite. None of them is a measure of quality by itself: a noisy picture is a sharp one.
"""

import math

import numpy as np
from numpy.typing import NDArray

from metrics.sr.full_reference import luma
from metrics.sr.mscn import normalised

# Name, and which way is taken for better where one stands alone.
STATISTICS = {"sharpness": 1, "contrast_variance": 1, "neighbours": -1}


def scene_statistics(picture: NDArray[np.uint8]) -> dict[str, float]:
    """Statistics by name.

    Args:
        picture: (height, width, 3) uint8 RGB, two pixels a side or more.

    Returns:
        ``sharpness``, log of the mean local deviation of luma plus one; ``contrast_variance``, variance of the
        normalised values; ``neighbours``, their correlation with those one pixel to the right and below.
    """
    values, deviation = normalised(luma(picture))
    variance = float(values.var())
    centred = values - values.mean()
    beside = (float(np.mean(centred[:, 1:] * centred[:, :-1])) + float(np.mean(centred[1:] * centred[:-1]))) / 2
    return {
        "sharpness": math.log(float(deviation.mean()) + 1),
        "contrast_variance": variance,
        "neighbours": beside / variance if variance > 1e-12 else 0.0,
    }
