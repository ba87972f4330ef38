"""NIQE with a model of one's own: how far a picture's statistics are from those of good pictures.

Method: Mittal, Soundararajan, Bovik, "Making a 'completely blind' image quality analyzer", IEEE SPL 2013: 18 features
of normalised luma on each of two scales, one multivariate Gaussian of good pictures, one of the picture judged. The
published model rests on other pictures, so a score here is named ``niqe@<data set>`` and compares with no other.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metrics.sr.full_reference import luma
from metrics.sr.mscn import Floats, normalised, whole_blocks

PATCH = 96
# Patches of good pictures count where their sharpness is at least this share of the sharpest one's in the picture.
_SHARP = 0.75
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
_SHAPES = np.arange(0.2, 10, 0.001)


class NIQEModel(NamedTuple):
    """What good pictures look like.

    Attributes:
        name: Data set it was fitted on.
        mean: (36,) mean of the features.
        covariance: (36, 36) their covariance.
        patch: Side of a patch in pixels, even.
        patches: Number of patches it rests on.
    """

    name: str
    mean: Floats
    covariance: Floats
    patch: int
    patches: int


def fit(pictures: Iterable[NDArray[np.uint8]], name: str, patch: int = PATCH) -> NIQEModel:
    """Model of good pictures, from the sharp patches of each; pictures smaller than a patch are passed over.

    Args:
        pictures: (height, width, 3) uint8 RGB each.
        name: Data set they are of.
        patch: Side of a patch in pixels, even.

    Raises:
        ValueError: There are fewer than 37 patches, so no covariance of 36 features.
    """
    rows = []
    for picture in pictures:
        if min(picture.shape[:2]) >= patch:
            features, sharpness = _features(picture, patch)
            rows.append(features[sharpness >= _SHARP * sharpness.max()])
    count = sum(map(len, rows))
    if count < 37:
        raise ValueError(f"{count} sharp patches of {patch} pixels are too few for NIQE's 36 features")
    table = np.concatenate(rows)
    return NIQEModel(name, table.mean(0), np.cov(table, rowvar=False), patch, count)


def niqe(picture: NDArray[np.uint8], model: NIQEModel) -> float:
    """Distance of a picture's statistics from the model's, 0 and up; less is better.

    Args:
        picture: (height, width, 3) uint8 RGB.
        model: Of :func:`fit` or :func:`load`.

    Raises:
        ValueError: The picture is smaller than a patch.
    """
    if min(picture.shape[:2]) < model.patch:
        height, width = picture.shape[:2]
        raise ValueError(f"{width}x{height} is smaller than NIQE's patch of {model.patch} pixels")
    features, _ = _features(picture, model.patch)
    covariance = np.cov(features, rowvar=False) if len(features) > 1 else np.zeros_like(model.covariance)
    gap = features.mean(0) - model.mean
    return float(np.sqrt(max(0.0, gap @ np.linalg.pinv((model.covariance + covariance) / 2) @ gap)))


def save(model: NIQEModel, path: Path) -> None:
    """Write a model as ``npz``; no pickle is in it."""
    with open(path, "wb") as file:
        np.savez(file, **model._asdict())


def load(path: Path) -> tuple[NIQEModel, str]:
    """A saved model and the SHA-256 of its file.

    Raises:
        ValueError: The file is no model.
        OSError: The file cannot be read.
    """
    data = path.read_bytes()
    try:
        with np.load(path, allow_pickle=False) as held:
            model = NIQEModel(
                str(held["name"]),
                np.asarray(held["mean"], np.float64),
                np.asarray(held["covariance"], np.float64),
                int(held["patch"]),
                int(held["patches"]),
            )
    except Exception as error:  # a damaged archive raises many kinds
        raise ValueError(f"is no NIQE model ({type(error).__name__})") from None
    if model.mean.shape != (36,) or model.covariance.shape != (36, 36):
        raise ValueError("is no NIQE model of 36 features")
    return model, hashlib.sha256(data).hexdigest()


def _features(picture: NDArray[np.uint8], patch: int) -> tuple[Floats, Floats]:
    """(patches, 36) features of whole patches, and (patches,) sharpness: mean local deviation on the full scale."""
    rows, columns = (side // patch for side in picture.shape[:2])
    plane = luma(picture[: rows * patch, : columns * patch])
    found, sharpness = [], np.zeros(0)
    for scale in (1, 2):
        if scale == 2:
            small = Image.fromarray(plane.astype(np.float32)).resize(
                (plane.shape[1] // 2, plane.shape[0] // 2), Image.Resampling.BICUBIC
            )
            plane = np.asarray(small, np.float64)
        normal, deviation = normalised(plane)
        if scale == 1:
            sharpness = whole_blocks(deviation, patch).mean(axis=(1, 2))
        found.append(_of_patches(whole_blocks(normal, patch // scale)))
    return np.concatenate(found, axis=1), sharpness


def _of_patches(patches: Floats) -> Floats:
    """(patches, 18): shape and scale of the values; shape, mean and both scales of four products of neighbours."""
    shape, left, right = _asymmetric_fit(patches)
    columns = [shape, (left + right) / 2]
    for shift in _SHIFTS:
        shape, left, right = _asymmetric_fit(patches * np.roll(patches, shift, axis=(1, 2)))
        columns += [shape, (right - left) * _gamma(2 / shape) / _gamma(1 / shape), left, right]
    return np.stack(columns, axis=1)


def _asymmetric_fit(patches: Floats) -> tuple[Floats, Floats, Floats]:
    """Shape and left and right scale of an asymmetric generalised Gaussian, by its moments, (patches,) each."""
    values = patches.reshape(len(patches), -1)
    square = values**2
    left, right = (np.sqrt((square * side).sum(1) / np.maximum(side.sum(1), 1)) for side in (values < 0, values > 0))
    balance = left / np.maximum(right, 1e-12)
    peak = np.abs(values).mean(1) ** 2 / np.maximum(square.mean(1), 1e-12)
    wanted = peak * (balance**3 + 1) * (balance + 1) / (balance**2 + 1) ** 2
    # The ratio of moments grows with the shape, so the nearest entry of the table is found by bisection.
    table = _gamma(2 / _SHAPES) ** 2 / (_gamma(1 / _SHAPES) * _gamma(3 / _SHAPES))
    place = np.clip(np.searchsorted(table, wanted), 1, len(table) - 1)
    place -= wanted - table[place - 1] < table[place] - wanted
    shape = _SHAPES[place]
    scale = np.sqrt(_gamma(1 / shape) / _gamma(3 / shape))
    return shape, left * scale, right * scale


def _gamma(values: Floats) -> Floats:
    from scipy.special import gamma

    return np.asarray(gamma(values), np.float64)
