"""The seven versions of a content that a platform might serve, from nearly untouched to heavily processed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageFilter

from experiments.mini_kvq.codec import encode, transcode
from experiments.mini_kvq.native import add_noise, resize, soften, split_acts
from records.hashing import seed_of

Kind = Literal["clean", "moderate", "heavy", "severe", "rescaled", "blurred", "sharpened"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What wraps an already transcoded picture hardly adds to its damage.
DELIVERY = 23


@dataclass(frozen=True)
class Version:
    """One version of a content.

    Args:
        kind: What is done, besides the transcode that every kind ends with.
        codec: Codec of the transcode.
        level: Quality level of the transcode, in the codec's scale.
        swing: What is added to the level in each act.
        amounts: For each act, or one for all: scale factor of ``rescaled``, sigma in pixels of ``blurred``, noise in
            grey levels of ``sharpened``.
        percent: Strength of the unsharp mask of ``sharpened``.
    """

    kind: Kind
    codec: str
    level: int
    swing: tuple[int, ...] = (0,)
    amounts: tuple[float, ...] = ()
    percent: int = 0


def write_version(frames: Sequence[np.ndarray], version: Version, seed: int, path: Path) -> None:
    """Process and encode.

    Args:
        frames: The upload, uint8 RGB (height, width, 3).
        version: Recipe.
        seed: Seed of the noise.
        path: MP4 to write.
    """
    if version.kind == "rescaled":
        height, width = frames[0].shape[:2]
        (scale,) = version.amounts
        small = [resize(frame, (2 * round(width * scale / 2), 2 * round(height * scale / 2))) for frame in frames]
        served = transcode(small, version.codec, version.level, version.swing)
        encode([resize(frame, (width, height)) for frame in served], path, "h264", DELIVERY)
    else:
        encode(_process(frames, version, seed), path, version.codec, version.level, version.swing)


def _process(frames: Sequence[np.ndarray], version: Version, seed: int) -> Sequence[np.ndarray]:
    if not version.amounts:
        return frames
    done: list[np.ndarray] = []
    for amount, act in zip(version.amounts, split_acts(frames, len(version.amounts)), strict=True):
        if version.kind == "blurred":
            done += [soften(frame, amount) for frame in act]
        else:
            rng = np.random.default_rng(seed_of(seed, version.kind, len(done)))
            done += [_sharpen(add_noise(frame, amount, rng), version.percent) for frame in act]
    return done


def _sharpen(frame: np.ndarray, percent: int) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.UnsharpMask(radius=2, percent=percent, threshold=0)))
