"""How a stored picture must be turned to be shown: the display matrix."""

import re
import struct
import threading
from dataclasses import dataclass
from typing import Any

import av.logging
import numpy as np

_LOG_LEVEL = threading.Lock()


@dataclass(frozen=True)
class Orientation:
    """The eight ways to lay a picture.

    Args:
        transpose: Rows become columns, before the flips.
        flip_x: Left and right change places.
        flip_y: Top and bottom change places.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def mirrored(self) -> bool:
        """No rotation alone leads there."""
        return self.transpose ^ self.flip_x ^ self.flip_y

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Upright height and width of a stored picture."""
        return (width, height) if self.transpose else (height, width)

    def upright(self, image: np.ndarray) -> np.ndarray:
        """Lay a (height, width, ...) picture; a view, not a copy."""
        if self.transpose:
            image = image.swapaxes(0, 1)
        return image[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


def frame_orientation(frame: Any) -> Orientation:
    """Orientation that a decoded frame of PyAV carries; angles between quarter turns go to the nearest."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # side data of a kind that PyAV doesn't know yet
        return rotated(frame.rotation)
    return Orientation() if matrix is None else matrix_orientation(struct.unpack("=9i", bytes(matrix)))


def matrix_orientation(matrix: tuple[int, ...]) -> Orientation:
    """Orientation of libav's nine numbers (a, b, u, c, d, v, x, y, w): x' = ax + cy, y' = bx + dy."""
    a, b, _, c, d = matrix[:5]
    if abs(b) > abs(a):
        return Orientation(True, c < 0, b < 0)
    return Orientation(False, a < 0, d < 0)


def rotated(degrees: float) -> Orientation:
    """Orientation of a counterclockwise rotation."""
    return (
        Orientation(),
        Orientation(True, False, True),
        Orientation(False, True, True),
        Orientation(True, True, False),
    )[round(degrees / 90) % 4]


def stream_rotation(container: Any, index: int) -> float | None:
    """Counterclockwise degrees of a stream's display matrix, None without one; nothing is decoded.

    PyAV gives the container's display matrix only with a decoded frame; libav's own summary of the file states its
    angle, and is written at log level INFO only.
    """
    with _LOG_LEVEL:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)
        try:
            summary = container.dumps_format()
        finally:
            av.logging.set_level(level)
    for stream in re.split(r"(?m)^ *Stream (?=#)", summary)[1:]:
        if re.match(rf"#\d+:{index}\b", stream):
            angle = re.search(r"(?i)display ?matrix: rotation of (-?[\d.]+)", stream)
            return float(angle[1]) if angle else None
    return None
