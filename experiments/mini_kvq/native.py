"""Native degradation: what the upload suffered before any version of it was made."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageFilter

from experiments.mini_kvq.codec import transcode
from records.hashing import seed_of


@dataclass(frozen=True)
class Native:
    """Degradation of one act of a content, in this order; the default leaves frames as they are.

    Args:
        light: Light that reaches the sensor, 1 for enough; the camera's gain restores the brightness, and enlarges
            noise and steps of grey with it.
        noise: Standard deviation of sensor noise before the gain, grey levels of 255.
        blur: Standard deviation of a Gaussian, pixels: focus, or the camera's denoising.
        scale: Size of the camera's picture as a share of the clip's, 1 for the same.
        codec: Camera codec, ``mpeg2``, ``mpeg4`` or ``h264``; empty for none.
        level: Its quality level: quantiser 2..31, or crf.
    """

    light: float = 1.0
    noise: float = 0.0
    blur: float = 0.0
    scale: float = 1.0
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
        height, width = act[0].shape[:2]
        small = (2 * round(width * native.scale / 2), 2 * round(height * native.scale / 2))
        seen = (_gain(add_noise(_gain(frame, native.light), native.noise, rng), 1 / native.light) for frame in act)
        taken = [resize(soften(frame, native.blur), small) for frame in seen]
        if native.codec:
            taken = transcode(taken, native.codec, native.level)
        result += [resize(frame, (width, height)) for frame in taken]
    return result


def split_acts(frames: Sequence[np.ndarray], count: int) -> list[list[np.ndarray]]:
    """Frames in ``count`` consecutive parts of equal length, the last one taking what is left over."""
    cuts = [len(frames) * number // count for number in range(count + 1)]
    return [list(frames[start:end]) for start, end in pairwise(cuts)]


def resize(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bicubic scaling to (width, height)."""
    if (frame.shape[1], frame.shape[0]) == size:
        return frame
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))


def soften(frame: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of ``sigma`` pixels."""
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(sigma))) if sigma else frame


def add_noise(frame: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of ``deviation`` grey levels, drawn for each pixel and colour, clipped and rounded."""
    if not deviation:
        return frame
    noise = rng.standard_normal(frame.shape, dtype=np.float32)
    return np.clip(frame + deviation * noise + 0.5, 0, 255).astype(np.uint8)


def _gain(frame: np.ndarray, factor: float) -> np.ndarray:
    if factor == 1:
        return frame
    return np.minimum(np.arange(256) * factor + 0.5, 255).astype(np.uint8)[frame]
