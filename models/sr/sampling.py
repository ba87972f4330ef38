"""From noise to a latent in a few steps."""

from collections.abc import Callable

import torch
from torch import Tensor


def sample(
    noise_in: Callable[[Tensor, Tensor], Tensor],
    start: Tensor,
    alphas: Tensor,
    steps: int,
    eta: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Denoise ``start`` with DDIM's update (arXiv 2010.02502, equation 12) over evenly spaced times.

    ``x0 = (z - sqrt(1 - a) e) / sqrt(a)``, then ``z = sqrt(b) x0 + sqrt(1 - b - s^2) e + s n`` with ``b`` the next
    time's cumulative alpha (1 at the end) and ``s^2 = eta^2 (1 - b) / (1 - a) (1 - a / b)``: ``eta`` 0 is DDIM, 1
    DDPM's posterior on those times.

    Args:
        noise_in: ``(z, times (batch,) int64) -> noise``, shape of ``z``.
        start: Noise of variance 1, float32 (batch, channels, height, width).
        alphas: Cumulative alphas of the schedule, (times,), falling.
        steps: Number of steps, at most the number of times.
        eta: Share of fresh noise, 0..1.
        generator: Source of the fresh noise, on the CPU, so that every device draws the same.

    Returns:
        The latent, shape and type of ``start``.
    """
    if not 1 <= steps <= len(alphas):
        raise ValueError(f"steps {steps} must be between 1 and the {len(alphas)} times of the schedule")
    times = torch.linspace(len(alphas) - 1, 0, steps).round().long().tolist()
    latent = start
    for index, time in enumerate(times):
        now = float(alphas[time])
        after = float(alphas[times[index + 1]]) if index + 1 < steps else 1.0
        noise = noise_in(latent, torch.full((len(latent),), time, device=latent.device)).float()
        clean = (latent - (1 - now) ** 0.5 * noise) / now**0.5
        fresh = eta**2 * (1 - after) / (1 - now) * (1 - now / after)
        latent = after**0.5 * clean + max(0.0, 1 - after - fresh) ** 0.5 * noise
        if fresh > 0:
            latent = latent + fresh**0.5 * noise_like(latent, generator)
    return latent


def noise_like(latent: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise of the shape of ``latent``, drawn on the CPU."""
    return torch.randn(latent.shape, generator=generator).to(latent)
