"""What the page shows of a picture: its views, the windows where it errs most, all as text of a page."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.score_kwaisr.folders import Item, read
from experiments.score_kwaisr.scoring import Values
from metrics.sr.registry import METRICS

Picture = NDArray[np.uint8]

# Longest side of a whole picture on the page; a window that is shown enlarged is a quarter of the shorter side, within
# these bounds.
SIDE, SMALLEST, LARGEST = 960, 48, 128


class Crop(NamedTuple):
    """A window.

    Attributes:
        top: First row.
        left: First column.
        height: Rows.
        width: Columns.
    """

    top: int
    left: int
    height: int
    width: int

    def of(self, picture: Picture) -> Picture:
        """Its pixels."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


def choose(items: Sequence[Item], values: Values, count: int) -> list[tuple[Item, str]]:
    """The worst, middle and best pictures of each domain, each with a word on why it was chosen.

    Synthetic pictures are ordered by PSNR, wild ones by PIQE, or by the first metric that there is. A third of the
    page is for the wild ones where there are both.
    """
    domains = {domain: [item for item in items if item.domain == domain] for domain in ("synthetic", "wild")}
    shares = {"synthetic": count - count // 3 if domains["wild"] else count}
    shares["wild"] = count - min(shares["synthetic"], len(domains["synthetic"]))
    chosen = []
    for domain, found in domains.items():
        known = [
            name for name in ("psnr", "piqe", *values) if values.get(name) and found[:1] and found[0].id in values[name]
        ]
        if not known:
            chosen += [(item, "") for item in found[: shares[domain]]]
            continue
        metric = METRICS[known[0]]
        sign = 1 if metric.direction == "higher" else -1
        ordered = sorted(found, key=lambda item: sign * values[metric.name][item.id])
        for place in places(len(ordered), shares[domain]):
            value = values[metric.name][ordered[place].id]
            kind = "worst" if place < len(ordered) / 3 else "best" if place >= len(ordered) * 2 / 3 else "middle"
            chosen.append(
                (
                    ordered[place],
                    f"{kind} third by {metric.title}: {value:.2f}, {place + 1} of {len(ordered)} from the worst",
                )
            )
    return chosen


def places(length: int, count: int) -> list[int]:
    """Places in an order: as many from its start, its middle and its end.

    >>> places(20, 6), places(4, 9), places(20, 1)
    ([0, 1, 9, 10, 18, 19], [0, 1, 2, 3], [0])
    """
    if count >= length:
        return list(range(length))
    low, high = (count + 2) // 3, (count + 1) // 3
    middle = count - low - high
    start = (length - middle) // 2
    return sorted({*range(low), *range(start, start + middle), *range(length - high, length)})


def views_of(systems: Mapping[str, Item]) -> dict[str, Picture]:
    """Whole pictures by name: the input, each system's, the original; all of one size.

    Args:
        systems: The same picture of each system, the submission first.
    """
    ours = systems["submission"]
    shown = {name: read(item.file) for name, item in systems.items()}
    height, width = shown["submission"].shape[:2]
    views: dict[str, Picture] = {}
    if ours.domain == "wild" and (source := ours.lr or ours.truth):
        views["input"] = read(source)
    elif ours.lr:
        small = Image.fromarray(read(ours.lr))
        views["LR, bicubic"] = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    views |= shown
    if ours.domain == "synthetic" and ours.truth:
        views["HR"] = read(ours.truth)
    return views


def worst_crops(picture: Picture, reference: Picture | None, count: int = 2) -> list[Crop]:
    """Windows of the largest mean absolute difference, apart from each other.

    Args:
        picture: (height, width, 3).
        reference: The original, or the input of a wild picture; without one the busiest windows are taken.
        count: At most so many.
    """
    from scipy.ndimage import uniform_filter

    grey = picture.mean(2, dtype=np.float64)
    side = min(max(min(grey.shape) // 4, SMALLEST), LARGEST)
    height, width = (min(side, whole) for whole in grey.shape)
    if reference is None:
        error = np.abs(grey - uniform_filter(grey, 9))
    else:
        error = np.abs(picture.astype(np.float64) - reference).mean(2)
    sums = np.pad(error, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    means = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    crops = []
    for _ in range(count):
        top, left = (int(place) for place in np.unravel_index(int(np.argmax(means)), means.shape))
        if means[top, left] < 0:
            break
        crops.append(Crop(top, left, height, width))
        means[max(0, top - height + 1) : top + height, max(0, left - width + 1) : left + width] = -1
    return crops


def jpeg_uri(picture: Picture) -> str:
    """A whole picture, shrunk to the page, as a data address; JPEG of quality 92 without colour subsampling."""
    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return _uri(image, "jpeg", quality=92, subsampling=0)


def png_uri(picture: Picture) -> str:
    """A window, pixel by pixel, as a data address."""
    return _uri(Image.fromarray(np.ascontiguousarray(picture)), "png", optimize=True)


def _uri(image: Image.Image, kind: str, **options: int | bool) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
