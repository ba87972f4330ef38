"""Native degradation: what the upload suffered before any version of it was made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from experiments.mini_kvq.codec import transcode
from records.hashing import seed_of


@dataclass(frozen=True)
class Native:
    """Degradation of one act of a content; the default leaves frames as they are.

    Args:
        light: Exposure, 1 for as filmed, less for low light.
        blur: Standard deviation of a Gaussian, pixels.
        noise: Standard deviation of sensor noise, grey levels of 255.
        codec: Camera codec, ``mpeg2`` or ``mpeg4``; empty for none.
        level: Its quantiser, 2..31.
    """

    light: float = 1.0
    blur: float = 0.0
    noise: float = 0.0
    codec: str = ""
    level: int = 0


def degrade(frames: Sequence[np.ndarray], acts: Sequence[Native], seed: int) -> list[np.ndarray]:
    """Degrade each act, an equal share of the frames, in its own way.

    Args:
        frames: uint8 RGB (height, width, 3).
        acts: One for each act, in order.
        seed: Seed of the noise.

    Returns:
        As many uint8 RGB frames.
    """
    result: list[np.ndarray] = []
    for number, (native, act) in enumerate(zip(acts, split_acts(frames, len(acts)), strict=True)):
        rng = np.random.default_rng(seed_of(seed, "native", number))
        act = [add_noise(soften(_expose(frame, native.light), native.blur), native.noise, rng) for frame in act]
        result += transcode(act, native.codec, native.level) if native.codec else act
    return result


def split_acts(frames: Sequence[np.ndarray], count: int) -> list[list[np.ndarray]]:
    """Frames in ``count`` consecutive parts of equal length, the last one taking what is left over."""
    cuts = [len(frames) * number // count for number in range(count + 1)]
    return [list(frames[start:end]) for start, end in zip(cuts, cuts[1:], strict=False)]


def soften(frame: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of ``sigma`` pixels."""
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(sigma))) if sigma else frame


def add_noise(frame: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of ``deviation`` grey levels, drawn for each pixel and colour, clipped and rounded."""
    if not deviation:
        return frame
    noise = rng.standard_normal(frame.shape, dtype=np.float32)
    return np.clip(frame + deviation * noise + 0.5, 0, 255).astype(np.uint8)


def _expose(frame: np.ndarray, light: float) -> np.ndarray:
    if light == 1:
        return frame
    return (np.arange(256) * light + 0.5).astype(np.uint8)[frame]
