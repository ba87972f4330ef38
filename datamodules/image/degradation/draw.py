"""Drawing a plan: one generator for each sample, asked for nothing but uniform numbers."""

import math
from bisect import bisect
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from datamodules.image.degradation.plan import Blur, Codec, Noise, Plan, Resize
from datamodules.image.degradation.presets import KERNEL_SIZES, KERNELS, RESIZERS, Order, Preset, Range
from records.hashing import seed_of

T = TypeVar("T")

# Kernels from this size on may cut off lower: pi / 5 in place of pi / 3.
LARGE_KERNEL = 13
# Copies of a picture that are encoded before it, and how far one lies from the next, pixels.
FEWEST_COPIES, MOST_COPIES, LONGEST_STEP = 2, 4, 2
STEPS = tuple(
    (down, right)
    for down in range(-LONGEST_STEP, LONGEST_STEP + 1)
    for right in range(-LONGEST_STEP, LONGEST_STEP + 1)
    if (down, right) != (0, 0)
)


def draw_plan(preset: Preset, scale: int, seed: int, epoch: int, id: str, size: tuple[int, int]) -> Plan:
    """Draw everything that happens to one sample.

    The codec comes last, so that its probability changes no other draw.

    Args:
        preset: The ranges.
        scale: Divisor of the sides.
        seed: Seed of the run.
        epoch: Epoch; another one degrades the same picture in another way.
        id: Id of the sample.
        size: Height and width of the high-resolution picture.
    """
    draw = Draws(seed_of("degradation", seed, epoch, id))
    first, second = preset.first, preset.second
    parts: dict[str, Any] = {}
    parts["blur_1"] = draw.blur(preset, first.sigma) if draw.chance(first.blur) else None
    parts["resize_1"] = draw.resize(first)
    parts["noise_1"] = draw.noise(preset, first)
    parts["jpeg_1"] = draw.whole(first.jpeg)
    parts["blur_2"] = draw.blur(preset, second.sigma) if draw.chance(second.blur) else None
    parts["resize_2"] = draw.resize(second)
    parts["noise_2"] = draw.noise(preset, second)
    parts["last_mode"] = draw.one_of(RESIZERS)
    parts["last_sinc"] = draw.sinc(draw.one_of(KERNEL_SIZES), math.pi / 3) if draw.chance(preset.last_sinc) else None
    parts["jpeg_2"] = draw.whole(second.jpeg)
    parts["jpeg_last"] = draw.chance(preset.jpeg_last)
    parts["codec"] = draw.codec(preset) if draw.chance(preset.codec) else None
    return Plan(size=size, scale=scale, sharpen=preset.sharpen, **parts)


class Draws:
    """Draws that depend on a seed only, and not on how a version of NumPy shapes uniform numbers.

    Args:
        seed: The seed.
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.Generator(np.random.PCG64(seed)).random

    def uniform(self, range: Range) -> float:
        """A number in [low, high)."""
        return range[0] + (range[1] - range[0]) * self.random()

    def whole(self, range: Range) -> int:
        """A whole number, both ends included."""
        low, high = math.ceil(range[0]), math.floor(range[1])
        return low + int(self.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.random() < probability)

    def one_of(self, choices: tuple[T, ...]) -> T:
        """One of these, each as likely."""
        return choices[int(self.random() * len(choices))]

    def weighted(self, weights: dict[str, float]) -> str:
        """One of these names, as likely as its weight says."""
        ends = list(accumulate(weights.values()))
        return list(weights)[bisect(ends[:-1], self.random() * ends[-1])]

    def blur(self, preset: Preset, sigma: Range) -> Blur:
        """A kernel of any kind."""
        size = self.one_of(KERNEL_SIZES)
        if self.chance(preset.sinc):
            return self.sinc(size, math.pi / (3 if size < LARGE_KERNEL else 5))
        kind = self.weighted(KERNELS)
        sigma_x = sigma_y = self.uniform(sigma)
        angle = 0.0
        if kind.endswith("aniso"):
            sigma_y, angle = self.uniform(sigma), self.uniform((-math.pi, math.pi))
        beta = 1.0
        if not kind.startswith(("iso", "aniso")):
            low, high = preset.beta_plateau if kind.startswith("plateau") else preset.beta_generalized
            beta = self.uniform((low, 1.0) if self.chance(0.5) else (1.0, high))
        return Blur(kind, size, sigma_x, sigma_y, angle, beta)

    def sinc(self, size: int, lowest: float) -> Blur:
        """A sinc kernel with a cut-off from ``lowest`` to pi."""
        return Blur("sinc", size, cutoff=self.uniform((lowest, math.pi)))

    def resize(self, order: Order) -> Resize:
        """A factor and a mode."""
        way = self.weighted({"up": order.up, "down": order.down, "keep": 1 - order.up - order.down})
        low, high = order.factor
        factor = {"up": self.uniform((1.0, high)), "down": self.uniform((low, 1.0)), "keep": 1.0}[way]
        return Resize(factor, self.one_of(RESIZERS))

    def noise(self, preset: Preset, order: Order) -> Noise:
        """A layer of noise with a seed of its own."""
        kind = "gaussian" if self.chance(preset.gaussian) else "poisson"
        strength = self.uniform(order.gaussian if kind == "gaussian" else order.poisson)
        return Noise(kind, strength, self.chance(preset.grey), int(self.random() * 2**53))

    def codec(self, preset: Preset) -> Codec:
        """A passage through a codec: alone, or after copies that wander towards the picture."""
        crf = self.uniform(preset.crf)
        if not self.chance(preset.inter):
            return Codec("h264", crf)
        shifts = [(0, 0)]
        for _ in range(self.one_of(tuple(range(FEWEST_COPIES, MOST_COPIES + 1)))):
            down, right = self.one_of(STEPS)
            shifts.append((shifts[-1][0] + down, shifts[-1][1] + right))
        return Codec("h264", crf, tuple(reversed(shifts[1:])))
