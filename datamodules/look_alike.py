"""Which videos show the same pictures: encoded again, scaled, cropped on all sides, mirrored, either way round.

Two pictures are compared by the correlation of their grey levels, after trying mirrors and crops. That finds a scene
again, but also the next seconds of it before a still camera; so what moves between the frames must correlate too. Of
113 windows of 17 real videos all copies (crf 35, half size, a tenth off every side, mirrored) were found, and no
neighbouring window was taken for one; pictures alone correlate by up to 0.9996 between neighbours.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from datamodules.fingerprint import FRAMES, SIDE

# Pixels a side of the pictures that are compared.
GRID = 16
# A picture flatter than this, in grey levels, has noise for a pattern.
LEAST_DEVIATION = 2.0
# Frames that must have a pattern in both videos.
LEAST_FRAMES = 2
# Shares cut off every side that are tried; all pairs are compared with few, those that come near with many.
FIRST_CROPS = (0.0, 0.1)
CROPS = (0.0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15)
# Least correlation of the pictures in the first round, in the second, and of what moves in them.
FIRST, SECOND, MOTION = 0.75, 0.9, 0.82
# Pictures as equal as this need not move alike, nor where less than this share of a picture's variance moves: there,
# noise decides. Planted copies of a nearly still scene reach 0.9998 (crf 35), its next second 0.9996.
EQUAL, STILL = 0.9997, 2e-5


def look_alikes(
    left: np.ndarray, right: np.ndarray | None = None, chunk: int = 2048
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of videos that look alike.

    Args:
        left: Fingerprints, uint8 (videos, 5, 40, 40).
        right: Those they are compared with; None compares each pair of ``left`` once.
        chunk: Videos of a side that are compared at a time; bounds the memory.

    Yields:
        ``(first, second, likeness)``: positions in ``left`` and ``right`` and the correlation, each (pairs,);
        ``first < second`` where there is no ``right``.
    """
    others = left if right is None else right
    for start in range(0, len(left), chunk):
        part = left[start : start + chunk]
        for other in range(start if right is None else 0, len(others), chunk):
            first, second, mirrored = _near(part, others[other : other + chunk])
            if right is None:
                once = first + start < second + other
                first, second, mirrored = first[once], second[once], mirrored[once]
            for cut in range(0, len(first), chunk):
                a, b = first[cut : cut + chunk], second[cut : cut + chunk]
                likeness, motion = _closer_look(part[a], _mirror(others[other + b], mirrored[cut : cut + chunk]))
                same = (likeness >= SECOND) & ((motion >= MOTION) | (likeness >= EQUAL))
                yield a[same] + start, b[same] + other, likeness[same]


def _near(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First round: positions of the pairs that come near, and whether the second one must be mirrored for it."""
    best = np.full((2, len(left), len(right)), -1.0, np.float32)
    for mirrored, (cut_left, cut_right) in product((0, 1), _cuts(FIRST_CROPS)):
        a, b = _pictures(left, cut_left), _pictures(right[..., :: -1 if mirrored else 1], cut_right)
        common = _patterned(a).astype(np.float32) @ _patterned(b).astype(np.float32).T
        likeness = a.reshape(len(a), -1) @ b.reshape(len(b), -1).T / np.maximum(common, 1)
        likeness[common < LEAST_FRAMES] = -1
        np.maximum(best[mirrored], likeness, out=best[mirrored])
    first, second = np.nonzero(best.max(0) >= FIRST)
    return first, second, best[1, first, second] > best[0, first, second]


def _closer_look(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Second round, pair by pair: correlation of the pictures under the best crop, and of what moves in them there."""
    likeness = np.full(len(left), -1.0, np.float32)
    motion = np.zeros(len(left), np.float32)
    for cut_left, cut_right in _cuts(CROPS):
        a, b = _pictures(left, cut_left), _pictures(right, cut_right)
        common = (_patterned(a) & _patterned(b))[..., None]
        count = np.maximum(common.sum((1, 2)), 1)
        a, b = a * common, b * common
        found = (a * b).sum((1, 2)) / count
        a, b = ((x - x.sum(1, keepdims=True) / count[:, None, None]) * common for x in (a, b))
        moving = np.sqrt((a * a).sum((1, 2)) * (b * b).sum((1, 2))) / count
        together = ((a * b).sum((1, 2)) / count + STILL) / (moving + STILL)
        better = found > likeness
        likeness, motion = np.where(better, found, likeness), np.where(better, together, motion)
    return likeness, motion


def _cuts(crops: tuple[float, ...]) -> list[tuple[float, float]]:
    """Shares cut off the left and the right video: one of them is whole."""
    return [(0.0, crop) for crop in crops] + [(crop, 0.0) for crop in crops if crop]


def _pictures(looks: np.ndarray, cut: float) -> np.ndarray:
    """Pictures without their rims, of mean 0 and length 1, or zeros where flat: float32 (videos, 5, 256)."""
    window = _window(cut)
    pictures = (window @ looks.astype(np.float32) @ window.T).reshape(len(looks), FRAMES, GRID * GRID)
    pictures -= pictures.mean(-1, keepdims=True)
    length = np.linalg.norm(pictures, axis=-1, keepdims=True)
    return np.where(length >= LEAST_DEVIATION * GRID, pictures / np.maximum(length, 1e-6), 0)


def _window(cut: float) -> np.ndarray:
    """Means over equal, overlapping, softly bounded parts of what is left of a side: float32 (16, 40)."""
    left = 1 - 2 * cut
    centres = cut * SIDE + left * SIDE / GRID * (np.arange(GRID)[:, None] + 0.5)
    # Bounds as soft as those of a picture that was cut before it was made small.
    width = np.sqrt((left * SIDE / GRID) ** 2 + left**2 - 1)
    weights = np.maximum(0, 1 - np.abs(np.arange(SIDE) + 0.5 - centres) / width)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _patterned(pictures: np.ndarray) -> np.ndarray:
    return np.any(pictures, axis=-1)


def _mirror(looks: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    return np.where(mirrored[:, None, None, None], looks[..., ::-1], looks)
