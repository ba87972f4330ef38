"""Classifier score distillation for one-step restoration (arXiv 2310.19415, as PiSA-SR, arXiv 2412.03017, codes it)."""

from collections.abc import Callable

import torch
from torch import Tensor

Teacher = Callable[[Tensor, Tensor, Tensor], Tensor]
_SMALLEST_WEIGHT = 1e-6


def csd_loss(
    latent: Tensor,
    teacher: Teacher,
    alphas: Tensor,
    negative: Tensor,
    positive: Tensor,
    *,
    guidance: float = 7.5,
    first: int = 20,
    last: int = 499,
    times: Tensor | None = None,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Squared distance between restored latents and what a guided diffusion model would make of them.

    With ``z_t = sqrt(a_t) z + sqrt(1 - a_t) n``, ``e_cfg = e_neg + guidance (e_pos - e_neg)`` and
    ``x0(e) = (z_t - sqrt(1 - a_t) e) / sqrt(a_t)`` the loss is ``MSE(z, stopgrad(z - g))`` of
    ``g = (x0(e_neg) - x0(e_cfg)) / w`` and ``w = mean |z - x0(e_cfg)|`` for each sample. Its gradient is ``2 g / N``;
    its value says nothing about progress.

    Args:
        latent: Restored scaled latents, float (b, channels, h, w).
        teacher: Noise in ``(2b, channels, h, w)`` noisy latents at int64 ``(2b,)`` time steps under
            ``(2b, tokens, width)`` prompts; called once, without gradients.
        alphas: Share of signal at each time step, (T,).
        negative: Prompt to lead away from, (1 or b, tokens, width).
        positive: Prompt to lead to, (1 or b, tokens, width).
        guidance: How far.
        first: First time step that is drawn.
        last: Last time step that is drawn.
        times: int64 (b,) to take instead of drawing.
        noise: Shape of ``latent``, to take instead of drawing.
        generator: Source of both draws, on the CPU.

    Returns:
        () loss, and for logging the means of ``|g|`` and of ``w`` as ``csd_gradient`` and ``csd_weight``.

    >>> z, prompt = torch.ones(1, 4, 8, 8), torch.zeros(1, 8, 32)
    >>> loss, _ = csd_loss(z, lambda z, t, prompt: z, torch.linspace(0.99, 0.01, 1000), prompt, prompt)
    >>> float(loss)
    0.0
    """
    b, exact = len(latent), latent.dtype if latent.dtype == torch.float64 else torch.float32
    if times is None:
        times = torch.randint(first, last + 1, (b,), generator=generator).to(latent.device)
    if noise is None:
        noise = torch.randn(latent.shape, generator=generator).to(latent.device)
    z = latent.to(exact)
    with torch.no_grad():
        alpha = alphas.to(exact)[times].view(b, 1, 1, 1)
        noisy = alpha.sqrt() * z + (1 - alpha).sqrt() * noise.to(exact)
        prompts = torch.cat([prompt.expand(b, -1, -1) for prompt in (negative, positive)])
        e_neg, e_pos = teacher(torch.cat([noisy, noisy]), torch.cat([times, times]), prompts).to(exact).chunk(2)
        e_cfg = e_neg + guidance * (e_pos - e_neg)
        x_neg, x_cfg = ((noisy - (1 - alpha).sqrt() * e) / alpha.sqrt() for e in (e_neg, e_cfg))
        weight = (z - x_cfg).abs().mean((1, 2, 3), keepdim=True).clamp_min(_SMALLEST_WEIGHT)
        gradient = (x_neg - x_cfg) / weight
        target = z - gradient
    loss = (z - target).square().mean()
    return loss, {"csd_gradient": gradient.abs().mean(), "csd_weight": weight.mean()}
