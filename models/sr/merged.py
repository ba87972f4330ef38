"""One-step super-resolution for inference alone: two UNets with their adapters added in, and no peft left."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.sr.backbone import DiffusionBackbone
from models.sr.guidance import guided
from models.sr.peft_compat import lora_layers
from models.sr.prompts import Kind


class MergedSR(nn.Module):
    """Same results as the model it was made of, faster, for a second copy of the UNet's weights.

    Args:
        backbone: Base whose UNet has the adapters ``pixel`` and ``semantic``; its VAE is shared and not copied.
        prompt: The standing prompt.
        dtype: Precision of the merged UNets; weights are added up in float32 first.
    """

    def __init__(self, backbone: DiffusionBackbone, prompt: Kind, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.prompt = prompt
        self.pixel = backbone.with_unet(merge(backbone.unet, ("pixel",), dtype))
        self.both = backbone.with_unet(merge(backbone.unet, ("pixel", "semantic"), dtype))
        self.eval()

    @property
    def factor(self) -> int:
        """Pixels of a side that become one latent."""
        return self.both.factor

    @property
    def multiple(self) -> int:
        """Sides in pixels must be multiples of it."""
        return self.both.multiple

    def encode(self, x: Tensor) -> Tensor:
        """Scaled latents of pictures in [-1, 1]."""
        return self.both.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        """Pictures of scaled latents, in [-1, 1] and clamped."""
        return self.both.decode(z).clamp(-1, 1)

    @torch.no_grad()
    def restore_latent(self, z: Tensor, pix: float = 1.0, sem: float = 1.0, prompts: Tensor | None = None) -> Tensor:
        """Restored latents; see :meth:`models.sr.one_step.OneStepSR.restore_latent`."""
        text = self.both.prompt(self.prompt) if prompts is None else prompts
        times = torch.ones(len(z), dtype=torch.long, device=z.device)
        return z - guided(
            pix, sem, lambda: self.pixel.noise_in(z, times, text), lambda: self.both.noise_in(z, times, text)
        )

    @torch.no_grad()
    def forward(self, x: Tensor, pix: float = 1.0, sem: float = 1.0, prompts: Tensor | None = None) -> Tensor:
        """Restored pictures in [0, 1]; see :meth:`models.sr.one_step.OneStepSR.forward`."""
        latent = self.restore_latent(self.encode(2 * x - 1), pix, sem, prompts)
        return (self.decode(latent) + 1) / 2


@torch.no_grad()
def merge(unet: Any, names: Sequence[str], dtype: torch.dtype) -> nn.Module:
    """A UNet of its own with adapters added to its weights.

    Args:
        unet: A diffusers UNet with adapters; it is not changed.
        names: Adapters to add.
        dtype: Precision of the result.
    """
    layers, state = lora_layers(unet), {}
    for key, value in unet.state_dict().items():
        if ".lora_" in key:
            continue
        weight = value.to(torch.float32, copy=True)
        path, found, part = key.partition(".base_layer.")
        if found and part == "weight":
            for name in names:
                weight += layers[path].get_delta_weight(name).float()
        state[key.replace(".base_layer.", ".")] = weight.to(dtype)
    with torch.device("meta"):
        plain = type(unet).from_config(unet.config)
    plain.load_state_dict(state, assign=True)
    return plain.requires_grad_(False).eval()
