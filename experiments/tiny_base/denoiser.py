"""Training of the small denoiser and of its two prompts."""

from collections.abc import Callable

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from experiments.tiny_base.schedule import cosine

TOKENS, WIDTH = 4, 32
# Of Stable Diffusion 2.1's noise schedule.
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def new_unet(channels: int) -> UNet2DConditionModel:
    """A denoiser of Stable Diffusion's kind with two levels and attention at the lower one.

    Args:
        channels: Latent channels.
    """
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(40, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
        norm_num_groups=8,
    )


def train_denoiser(
    clean: Tensor,
    degraded: Tensor,
    *,
    steps: int,
    seed: int,
    batch: int = 16,
    side: int = 16,
    rate: float = 1e-3,
    empty: float = 0.2,
    progress: Callable[[int, int, float], None] = lambda *_: None,
) -> tuple[UNet2DConditionModel, dict[str, Tensor]]:
    """Learn to predict the noise in latents, told by a prompt whether they are of clean or of degraded crops.

    Args:
        clean: (n, channels, h, w) scaled latents of clean crops.
        degraded: The same of degraded ones.
        steps: Optimiser steps.
        seed: Seed of weights and draws.
        batch: Latents of a step, half of them of degraded crops.
        side: Side of the latents that a step sees.
        rate: Highest learning rate.
        empty: Share that is learnt with the empty prompt, 0..1.
        progress: Called with step, steps and loss.

    Returns:
        The averaged network, and the prompts ``positive``, ``negative`` and ``empty``, (tokens, width) each.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = new_unet(clean.shape[1])
    # Rows: clean, degraded, said nothing of.
    prompts = nn.Parameter(torch.randn(3, TOKENS, WIDTH, generator=generator))
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
    )
    alphas = DDPMScheduler(**SCHEDULE).alphas_cumprod
    optimizer = torch.optim.AdamW([*network.parameters(), prompts], lr=rate, weight_decay=0.0)
    schedule = cosine(optimizer, steps)
    both = torch.stack([clean, degraded])
    for step in range(steps):
        kind = torch.arange(batch) % 2
        chosen = torch.randint(len(clean), (batch,), generator=generator)
        top, left = torch.randint(clean.shape[-1] - side + 1, (2,), generator=generator).tolist()
        z = both[kind, chosen, :, top : top + side, left : left + side]
        t = torch.randint(1000, (batch,), generator=generator)
        noise = torch.randn(z.shape, generator=generator)
        a = alphas[t][:, None, None, None]
        said = torch.where(torch.rand(batch, generator=generator) < empty, 2, kind)
        guess = network(a.sqrt() * z + (1 - a).sqrt() * noise, t, prompts[said]).sample
        loss = (guess - noise).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        progress(step + 1, steps, float(loss.detach()))
    rows = prompts.detach()
    found = {"positive": rows[0].clone(), "negative": rows[1].clone(), "empty": rows[2].clone()}
    return average.module.eval(), found
