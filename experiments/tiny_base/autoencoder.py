"""Training of the small autoencoder."""

from collections.abc import Callable

import torch
from torch import Tensor

from experiments.tiny_base.crops import to_signed
from experiments.tiny_base.schedule import cosine
from models.sr.patch_autoencoder import PatchAutoencoder


def train_autoencoder(
    clean: Tensor,
    degraded: Tensor,
    *,
    channels: int,
    steps: int,
    seed: int,
    batch: int = 16,
    side: int = 64,
    rate: float = 1e-3,
    progress: Callable[[int, int, float], None] = lambda *_: None,
) -> PatchAutoencoder:
    """Begin at the principal components and learn the rest by L1.

    Args:
        clean: uint8 (n, 3, h, w) crops.
        degraded: The same, degraded; they are encoded too once the base is in use.
        channels: Latent channels.
        steps: Optimiser steps.
        seed: Seed of weights and draws.
        batch: Crops of a step.
        side: Pixels of a side that a step sees.
        rate: Highest learning rate.
        progress: Called with step, steps and loss.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = PatchAutoencoder(latent_channels=channels)
    network.begin_linear(to_signed(clean))
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.0)
    schedule = cosine(optimizer, steps)
    crops = torch.cat([clean, degraded])
    for step in range(steps):
        chosen = torch.randint(len(crops), (batch,), generator=generator)
        top, left = torch.randint((crops.shape[-1] - side) // 4 + 1, (2,), generator=generator).tolist()
        x = to_signed(crops[chosen, :, 4 * top : 4 * top + side, 4 * left : 4 * left + side])
        loss = (network.decode(network.encode(x).latent_dist.mode()).sample - x).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress(step + 1, steps, float(loss.detach()))
    with torch.no_grad():
        latents = network.encode(to_signed(clean)).latent_dist.mode()
    network.register_to_config(scaling_factor=round(1 / float(latents.std()), 5))
    return network.eval()


@torch.no_grad()
def reconstruction_psnr(network: PatchAutoencoder, picture: Tensor) -> float:
    """PSNR of a picture after coding and rounding to 8 bit, all channels, dB.

    Args:
        network: The autoencoder.
        picture: uint8 (3, h, w), sides multiples of its factor.
    """
    x = to_signed(picture[None])
    out = network.decode(network.encode(x).latent_dist.mode()).sample.clamp(-1, 1).add(1).mul(127.5).round()
    error = (out - picture[None].float()).pow(2).mean()
    return float(10 * torch.log10(255**2 / error.clamp_min(1e-10)))
