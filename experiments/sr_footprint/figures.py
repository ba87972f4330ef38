"""One dict with all that a configuration of one-step super-resolution costs."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from experiments.sr_footprint.memory import GIB, batches_that_fit, inference_bytes, step_bytes, weight_bytes
from experiments.sr_footprint.shadow import Precision
from metrics.macs import count_macs
from models.sr.backbone import DiffusionBackbone
from models.sr.dual_lora import base_view
from models.sr.one_step import OneStepSR, Stage

CARDS = {"24 GB": 24.0, "48 GB": 48.0, "80 GB": 80.0}


class _Noise(nn.Module):
    """The UNet alone, as inference on merged weights runs it."""

    def __init__(self, base: DiffusionBackbone) -> None:
        super().__init__()
        self.base = base

    def forward(self, latent: Tensor, times: Tensor) -> Tensor:
        with base_view(self.base.unet):
            return self.base.noise_in(latent, times, self.base.prompt("positive"))


class _Encoder(nn.Module):
    def __init__(self, base: DiffusionBackbone) -> None:
        super().__init__()
        self.base = base

    def forward(self, picture: Tensor) -> Tensor:
        return self.base.encode(picture)


class _Decoder(nn.Module):
    def __init__(self, base: DiffusionBackbone) -> None:
        super().__init__()
        self.base = base

    def forward(self, latent: Tensor) -> Tensor:
        return self.base.decode(latent)


def gmacs(model: OneStepSR, side: int) -> dict[str, float]:
    """Billion multiply-accumulates of one pass of each part for a square picture.

    Args:
        model: On any device; it is not run.
        side: Side of the picture.
    """
    base = model.backbone
    with torch.device("meta"):
        picture = torch.empty(1, 3, side, side)
        latent = torch.empty(1, base.unet.config.in_channels, side // base.factor, side // base.factor)
        times = torch.ones(1, dtype=torch.long)
    counts = {
        "unet": count_macs(_Noise(base), (latent, times)),
        "vae_encoder": count_macs(_Encoder(base), (picture,)),
        "vae_decoder": count_macs(_Decoder(base), (latent,)),
    }
    return {name: count.macs / 1e9 for name, count in counts.items()}


def footprint(
    model: OneStepSR,
    stage: Stage = "semantic",
    side: int = 512,
    batch: int = 1,
    precision: Precision = "bf16-mixed",
    decode_crop: int | None = None,
    perceptual: nn.Module | None = None,
) -> dict[str, Any]:
    """Memory and work, told from shapes: nothing of it was measured on a GPU.

    Args:
        model: Best built within ``torch.device("meta")``.
        stage: Stage of the training step.
        side: Side of the pictures, in training and in inference.
        batch: Pictures in a training step.
        precision: Lightning's name of the precision.
        decode_crop: Side in latents of the part that is decoded; None for all.
        perceptual: Perceptual distance of stage ``semantic``.

    Returns:
        ``weights_gib``, ``training`` (``activations_gib``, ``total_gib``, ``largest_batch`` by card), ``inference``
        (``activations_gib`` by part, untiled; ``total_gib`` with two merged UNets), ``gmacs`` by part, the settings,
        and ``measured_on_gpu``, which is False.
    """
    weights = weight_bytes(model, stage)

    @cache
    def step_of(pictures: int) -> int:
        return step_bytes(model, stage, side, pictures, precision, decode_crop, perceptual)

    step = step_of(batch)
    cards = batches_that_fit(sum(weights.values()), step_of, CARDS)
    parts = inference_bytes(model, side)
    return {
        "stage": stage,
        "side": side,
        "batch": batch,
        "precision": precision,
        "checkpointing": model.backbone.checkpointing,
        "decode_crop": decode_crop,
        "weights_gib": {name: size / GIB for name, size in weights.items()},
        "training": {
            "activations_gib": step / GIB,
            "total_gib": (sum(weights.values()) + step) / GIB,
            "largest_batch": cards,
        },
        "inference": {
            "activations_gib": {name: size / GIB for name, size in parts.items()},
            "total_gib": (2 * weights["unet"] + weights["vae"] + max(parts.values())) / GIB,
        },
        "gmacs": gmacs(model, side),
        "measured_on_gpu": False,
    }
