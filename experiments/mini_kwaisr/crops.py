"""Which windows of a picture are taken: those with detail, as flat sky teaches and tells nothing."""

from dataclasses import dataclass
from itertools import product

import numpy as np

# Mean step of luma from a pixel to the next, in grey levels of 255; plain sky and blurred ground stay below.
LEAST_DETAIL = 2.0
# Two windows of a held-out photograph may share this part of their area: the pictures are small.
MOST_SHARED = 0.2
STEP = 16


@dataclass(frozen=True)
class Box:
    """A window of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The window of a picture (height, width, channels)."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]

    def shared(self, other: "Box") -> float:
        """Part of this window's area that lies in another one."""
        high = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        wide = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        return max(high, 0) * max(wide, 0) / (self.height * self.width)


def best_boxes(picture: np.ndarray, size: tuple[int, int], most: int) -> list[Box]:
    """Windows that hold the most detail together, each sharing little with the others.

    Each window in turn is taken first, and the others by their detail as far as they fit; the richest of these sets is
    kept. Taking the best window first alone would often leave no room beside it.

    Args:
        picture: uint8 RGB (height, width, 3).
        size: Height and width of a window; cut down to the picture's.
        most: Number of windows wanted; fewer come back where the picture holds no more.

    Returns:
        Boxes, at least one, by their place.
    """
    boxes = _grid(picture, size, STEP)
    detail = _detail_of(picture, boxes)
    order = [place for place in np.argsort(-detail, kind="stable").tolist() if detail[place] >= LEAST_DETAIL]
    best: list[int] = [int(detail.argmax())]
    for first in order:
        taken = [first]
        for place in order:
            if len(taken) == most:
                break
            if all(boxes[place].shared(boxes[other]) <= MOST_SHARED for other in taken):
                taken.append(place)
        if detail[taken].sum() > detail[best].sum():
            best = taken
    return [boxes[place] for place in sorted(best)]


def all_boxes(picture: np.ndarray, side: int, step: int) -> list[Box]:
    """Windows on an even grid that spans the picture, without flat ones; at least one.

    Args:
        picture: uint8 RGB (height, width, 3).
        side: Side of a window; cut down to the picture's sides.
        step: Largest distance of neighbouring windows.
    """
    boxes = _grid(picture, (side, side), step)
    detail = _detail_of(picture, boxes)
    return [box for box, value in zip(boxes, detail, strict=True) if value >= LEAST_DETAIL] or [
        boxes[int(detail.argmax())]
    ]


def _grid(picture: np.ndarray, size: tuple[int, int], step: int) -> list[Box]:
    starts, sides = [], []
    for whole, wanted in zip(picture.shape, size, strict=False):
        side = min(wanted, whole // 4 * 4)
        count = -(-(whole - side) // step) + 1
        starts.append(np.linspace(0, whole - side, count).astype(int).tolist())
        sides.append(side)
    return [Box(top, left, *sides) for top, left in product(*starts)]


def _detail_of(picture: np.ndarray, boxes: list[Box]) -> np.ndarray:
    luma = picture.astype(np.float64) @ (0.299, 0.587, 0.114)
    steps = np.zeros_like(luma)
    steps[1:, 1:] = (np.abs(np.diff(luma, axis=0))[:, 1:] + np.abs(np.diff(luma, axis=1))[1:]) / 2
    # Summed over all pixels above and to the left, so that each window's mean is four look-ups.
    sums = np.pad(steps, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    means = []
    for box in boxes:
        bottom, right = box.top + box.height, box.left + box.width
        inside = sums[bottom, right] - sums[box.top, right] - sums[bottom, box.left] + sums[box.top, box.left]
        means.append(inside / (box.height * box.width))
    return np.array(means)
