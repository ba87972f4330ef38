"""One decoded frame, converted to RGB only when somebody looks at it."""

from collections.abc import Callable
from functools import cached_property

import numpy as np


class Picture:
    """A frame as it should be shown: upright, in RGB.

    Args:
        index: Position in the presentation order of the video, from 0.
        time: Seconds since the first frame.
        height: Upright height, pixels.
        width: Upright width, pixels.
        convert: Makes the pixels, uint8 (height, width, 3); called at most once.
    """

    def __init__(self, index: int, time: float, height: int, width: int, convert: Callable[[], np.ndarray]) -> None:
        self.index, self.time, self.height, self.width = index, time, height, width
        self._convert = convert

    def rgb(self) -> np.ndarray:
        """Pixels, uint8 (height, width, 3), contiguous; the same array at every call, so copy it before changing it."""
        return self._pixels

    @cached_property
    def _pixels(self) -> np.ndarray:
        return np.ascontiguousarray(self._convert())

    def __repr__(self) -> str:
        return f"Picture(index={self.index}, time={self.time:.3f}, height={self.height}, width={self.width})"
