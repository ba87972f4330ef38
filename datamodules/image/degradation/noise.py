"""Noise that is a function of a seed and a place: the same field on every device and for every batch.

A generator with a state would give other numbers on another device. Here each pixel hashes its own place under the
seed, and the hash is one uniform number: the inverse of a distribution function turns it into noise.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from datamodules.image.degradation.plan import Noise

# Weights of the grey picture whose Poisson noise all channels share.
LUMA = (0.2989, 0.587, 0.114)
# Steps of the table that tells where to begin looking for a Poisson quantile.
STEPS = 4096


def add_noise(x: Tensor, noises: Sequence[Noise], inside: Tensor | None = None) -> Tensor:
    """Add one layer of noise to each picture.

    Gaussian noise is added as it is. Poisson noise is what photon counting adds to the picture rounded to 8 bit,
    times the strength, where the number of photons at full brightness is the number of different levels in the
    picture, rounded up to a power of two (the rule of Real-ESRGAN).

    Args:
        x: float32 (b, 3, h, w), sides up to 32768.
        noises: b layers.
        inside: bool (b, 1, h, w), which pixels belong to the picture; None: all.

    Returns:
        float32 (b, 3, h, w) in [0, 1].
    """
    uniform = uniforms(noises, x)
    out = torch.empty_like(x)
    gaussian = [index for index, noise in enumerate(noises) if noise.kind == "gaussian"]
    if gaussian:
        sigma = torch.tensor([noises[index].strength / 255 for index in gaussian], device=x.device).view(-1, 1, 1, 1)
        field = torch.erfinv(uniform[gaussian].mul_(2).sub_(1)).mul_(math.sqrt(2) * sigma)
        out[gaussian] = x[gaussian] + field
    for index, noise in enumerate(noises):
        if noise.kind == "poisson":
            mask = None if inside is None else inside[index]
            out[index] = x[index] + noise.strength * _photons(x[index], noise.grey, uniform[index], mask)
    return out.clamp_(0, 1)


def uniforms(noises: Sequence[Noise], x: Tensor) -> Tensor:
    """One number in (0, 1) for every value of ``x`` (b, 3, h, w); grey layers repeat one channel."""
    rows = torch.arange(x.shape[2], dtype=torch.int32, device=x.device).view(1, 1, -1, 1)
    columns = torch.arange(x.shape[3], dtype=torch.int32, device=x.device)
    channels = torch.tensor([[0, 0, 0] if noise.grey else [0, 1, 2] for noise in noises], dtype=torch.int32)
    places = channels.to(x.device).view(-1, 3, 1, 1) * 2**30 + rows * 2**15 + columns
    places = places.contiguous(memory_format=torch.channels_last if _channels_last(x) else torch.contiguous_format)
    low, high = (
        torch.tensor([_signed(noise.seed >> shift) for noise in noises], dtype=torch.int32).to(x.device)
        for shift in (0, 32)
    )
    mixed = _mix(_mix(places ^ low.view(-1, 1, 1, 1)) ^ high.view(-1, 1, 1, 1))
    # 23 bits and a half: exact in float32, and never 0 or 1.
    return _shifted(mixed, 9).float().add_(0.5).mul_(2**-23)


def _photons(x: Tensor, grey: bool, uniform: Tensor, inside: Tensor | None) -> Tensor:
    """Poisson noise of one picture, (3, h, w), for a strength of one."""
    if grey:
        x = (x * torch.tensor(LUMA, device=x.device).view(3, 1, 1)).sum(0, keepdim=True)
        uniform = uniform[:1]
    level = x.clamp(0, 1).mul(255).round().int()
    seen = level if inside is None else torch.where(inside, level, level[:, :1, :1])
    photons = 2 ** math.ceil(math.log2(torch.bincount(seen.reshape(-1), minlength=1).count_nonzero().item()))
    return (_quantile(level, uniform, photons) / photons - level / 255).expand(3, -1, -1)


def _quantile(level: Tensor, uniform: Tensor, photons: int) -> Tensor:
    """Smallest count whose cumulative Poisson probability at ``level / 255 * photons`` reaches ``uniform``."""
    start, cumulative = _poisson(photons, level.device)
    shape, level, uniform = level.shape, level.reshape(-1), uniform.reshape(-1)
    row = level * cumulative.shape[1]
    count = start.take((level * STEPS + (uniform * STEPS).int()).long()).int()
    late = (cumulative.take((row + count).long()) < uniform).nonzero().squeeze(1)
    while len(late):
        count[late] += 1
        late = late[cumulative.take((row[late] + count[late]).long()) < uniform[late]]
    return count.view(shape)


@lru_cache(maxsize=32)
def _poisson(photons: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where to begin, (256, STEPS), and the cumulative probability, (256, counts), of each 8-bit level."""
    from scipy.special import pdtr

    counts = np.arange(photons + 8 * math.isqrt(photons) + 16)
    cumulative = pdtr(counts, np.arange(256)[:, None] / 255 * photons).astype(np.float32)
    cumulative[:, -1] = 1
    steps = np.arange(STEPS, dtype=np.float32) / STEPS
    start = np.stack([np.searchsorted(row, steps) for row in cumulative]).astype(np.int16)
    return torch.from_numpy(start).to(device), torch.from_numpy(cumulative).to(device)


def _mix(x: Tensor) -> Tensor:
    """A 32-bit hash of int32 values: two multiplications between three shifts (C. Wellons' lowbias32)."""
    x = x ^ _shifted(x, 16)
    x = x * 0x7FEB352D
    x = x ^ _shifted(x, 15)
    x = x * _signed(0x846CA68B)
    return x ^ _shifted(x, 16)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Shift to the right without the sign, which torch would repeat."""
    return (x >> bits) & ((1 << (32 - bits)) - 1)


def _signed(value: int) -> int:
    """The low 32 bits as a signed number."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _channels_last(x: Tensor) -> bool:
    return x.stride(1) == 1 and x.shape[1] > 1
