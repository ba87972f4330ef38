"""Memory of a training step and of inference, followed tensor by tensor on shadows of the networks."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from experiments.sr_footprint.shadow import Precision, shadow_of, shadows
from losses.csd import csd_loss
from metrics.activation_memory import LiveBytes
from models.sr.one_step import OneStepSR, Stage

GIB = 2**30
# AdamW keeps two averages of each weight that trains.
_AVERAGES = 2


def weight_bytes(model: OneStepSR, stage: Stage | None = None) -> dict[str, int]:
    """Bytes that lie on the device all the time.

    Args:
        model: On any device.
        stage: Also count the optimiser of this stage.
    """
    base = model.backbone
    adapters = {name: _bytes(state.values()) for name, state in model.adapter_state().items()}
    told = {
        "unet": _bytes(weight for name, weight in base.unet.named_parameters() if ".lora_" not in name),
        "vae": _bytes(base.vae.parameters()),
        "adapters": sum(adapters.values()),
    }
    return told | ({"optimizer": _AVERAGES * adapters[stage]} if stage is not None else {})


def step_bytes(
    model: OneStepSR,
    stage: Stage,
    side: int,
    batch: int,
    precision: Precision = "bf16-mixed",
    decode_crop: int | None = None,
    perceptual: nn.Module | None = None,
) -> int:
    """Most bytes that activations and gradients of one training step hold at once, beside the weights.

    Scratch space within operators, the allocator's waste and the device's own context are not seen.

    Args:
        model: On any device, best on ``meta``; not changed but for its stage.
        stage: ``semantic`` adds the base as teacher on a doubled batch.
        side: Side of the training pictures.
        batch: Pictures in a step.
        precision: Lightning's name of the precision.
        decode_crop: Side in latents of the part that is decoded; None for all.
        perceptual: Distance on pictures in [0, 1], of stage ``semantic``.
    """
    model.train()
    model.set_stage(stage)
    with shadows(precision):
        shadow = shadow_of(model, precision)
        distance = shadow_of(perceptual, precision) if perceptual is not None and stage == "semantic" else None
        picture = torch.empty(batch, 3, side, side, device="cpu")
        with LiveBytes() as tracker:
            loss = _loss(shadow, stage, picture, decode_crop, distance)
        with tracker:
            loss.backward()
    return tracker.peak


def inference_bytes(model: OneStepSR, side: int) -> dict[str, int]:
    """Most bytes of activations in each part of restoring one square picture or tile, beside the weights.

    Args:
        model: On any device, best on ``meta``; its weights' precision is the one computed in.
        side: Side of the picture.
    """
    model.eval()
    with shadows("32-true"), torch.no_grad():
        shadow = shadow_of(model, "32-true")
        picture = torch.empty(1, 3, side, side, device="cpu")
        with LiveBytes() as encoder:
            latent = shadow.encode(picture)
        with LiveBytes() as unet:
            latent = shadow.restore_latent(latent)
        with LiveBytes() as decoder:
            shadow.decode(latent)
    return {"encoder": encoder.peak, "unet": unet.peak, "decoder": decoder.peak}


def batches_that_fit(weights: int, step_of: Callable[[int], int], limits: Mapping[str, float]) -> dict[str, int]:
    """Largest batch for cards of some sizes, on the straight line through batches 1 and 2; a tenth is left free.

    Args:
        weights: Bytes that lie on the device all the time.
        step_of: Batch to bytes of a step.
        limits: Name of a card to its memory in GiB.

    Returns:
        Card to batch; 0 where not even one picture fits.
    """
    one, two = step_of(1), step_of(2)
    fixed = weights + 2 * one - two
    return {name: max(0, int((0.9 * limit * GIB - fixed) // (two - one))) for name, limit in limits.items()}


def _loss(
    model: OneStepSR, stage: Stage, picture: Tensor, decode_crop: int | None, distance: nn.Module | None
) -> Tensor:
    """The training rule of the stage, with the losses it has by default."""
    base = model.backbone
    with torch.no_grad():
        latent = model.encode(picture)
    latent = model.restore_latent(latent, 1.0, float(stage == "semantic"))
    side = min(decode_crop or latent.shape[-1], latent.shape[-1])
    target = picture[..., : side * model.factor, : side * model.factor]
    restored = model.decode(latent[..., :side, :side]).float()
    loss = (restored - target).square().mean()
    if distance is not None:
        loss = loss + distance((restored + 1) / 2, (target + 1) / 2).mean()
    if stage == "semantic":
        negative, positive = base.prompt("negative"), base.prompt("positive")
        loss = loss + csd_loss(latent, model.teacher, base.alphas, negative, positive)[0]
    return loss


def _bytes(weights: Any) -> int:
    return sum(weight.numel() * weight.element_size() for weight in weights)
