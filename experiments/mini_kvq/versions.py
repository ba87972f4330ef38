"""The seven versions of a content that a platform might serve, from nearly untouched to heavily processed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageFilter

from experiments.mini_kvq.codec import encode, transcode
from experiments.mini_kvq.native import add_noise, soften, split_acts
from records.hashing import seed_of

Kind = Literal["clean", "moderate", "heavy", "severe", "rescaled", "blurred", "sharpened"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What wraps an already transcoded picture hardly adds to its damage.
DELIVERY = 18


@dataclass(frozen=True)
class Act:
    """Settings of one act of a version.

    Args:
        level: Quality level of the transcode, in the codec's scale.
        amount: ``rescaled``: scale factor; ``blurred``: sigma in pixels; ``sharpened``: noise in grey levels.
        percent: ``sharpened``: strength of the unsharp mask.
    """

    level: int
    amount: float = 0.0
    percent: int = 0


@dataclass(frozen=True)
class Version:
    """One version of a content.

    Args:
        kind: What is done, besides the transcode that every kind ends with.
        codec: Codec of the transcode.
        acts: Settings of each act.
    """

    kind: Kind
    codec: str
    acts: tuple[Act, ...]


def write_version(frames: Sequence[np.ndarray], version: Version, seed: int, path: Path) -> None:
    """Process and encode.

    Args:
        frames: The upload, uint8 RGB (height, width, 3).
        version: Recipe.
        seed: Seed of the noise.
        path: MP4 to write.
    """
    acts = split_acts(frames, len(version.acts))
    if len(acts) == 1 and version.kind != "rescaled":
        encode(_process(acts[0], version, 0, seed), path, version.codec, version.acts[0].level)
        return
    done: list[np.ndarray] = []
    for number, act in enumerate(acts):
        part = transcode(_process(act, version, number, seed), version.codec, version.acts[number].level)
        size = (frames[0].shape[1], frames[0].shape[0])
        done += [_resize(frame, size) for frame in part] if version.kind == "rescaled" else part
    encode(done, path, "h264", DELIVERY)


def _process(frames: list[np.ndarray], version: Version, number: int, seed: int) -> list[np.ndarray]:
    act = version.acts[number]
    if version.kind == "rescaled":
        height, width = frames[0].shape[:2]
        size = (2 * round(width * act.amount / 2), 2 * round(height * act.amount / 2))
        return [_resize(frame, size) for frame in frames]
    if version.kind == "blurred":
        return [soften(frame, act.amount) for frame in frames]
    if version.kind == "sharpened":
        rng = np.random.default_rng(seed_of(seed, version.kind, number))
        return [_sharpen(add_noise(frame, act.amount, rng), act.percent) for frame in frames]
    return frames


def _resize(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))


def _sharpen(frame: np.ndarray, percent: int) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.UnsharpMask(radius=2, percent=percent, threshold=0)))
