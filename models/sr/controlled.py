"""Super-resolution by many denoising steps under a ControlNet that sees the low-resolution picture."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from models.sr.backbone import DiffusionBackbone
from models.sr.sampling import noise_like, sample
from models.sr.semantic_encoders import SemanticEncoder
from models.sr.semantic_tokens import SemanticAdapter

# Widths of the ControlNet's way down from pixels to latents, one halving between each two (arXiv 2302.05543).
_WIDTHS = (16, 32, 96, 256)


class ControlledSR(nn.Module):
    """A frozen diffusion base steered by a ControlNet on the upsampled picture, and by what is in it.

    SRlab's system reads SAM 2 features beside the text (arXiv 2504.09887); here they are tokens appended to the text's,
    in base and ControlNet alike, on diffusers' own classes. The ControlNet begins as a copy of the base's way down.

    Args:
        backbone: The diffusion base.
        semantics: Frozen encoder of what is in the picture; None is the plain ControlNet.
        repeats: Appended tokens for each text token, with ``semantics``: 3 of 77 are about 16x16 positions.
        checkpointing: Recompute the ControlNet's activations in backward, which saves memory for time.
    """

    def __init__(
        self,
        backbone: DiffusionBackbone,
        semantics: SemanticEncoder | None = None,
        repeats: int = 3,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        from diffusers import ControlNetModel

        halvings = int(math.log2(backbone.factor))
        if 2**halvings != backbone.factor or halvings >= len(_WIDTHS):
            raise ValueError(f"a ControlNet needs a VAE that shrinks by 2, 4 or 8, not by {backbone.factor}")
        self.backbone, self.semantics = backbone, semantics
        self.backbone.requires_grad_(False)
        self.control = ControlNetModel.from_unet(
            backbone.unet, conditioning_embedding_out_channels=_WIDTHS[: halvings + 1]
        )
        self.control.requires_grad_(True)
        if checkpointing:
            self.control.enable_gradient_checkpointing()
        width = int(backbone.unet.config.cross_attention_dim)
        self.adapter = SemanticAdapter(semantics.channels, width, repeats) if semantics is not None else None

    @property
    def factor(self) -> int:
        """Pixels for each position of the latent."""
        return self.backbone.factor

    @property
    def multiple(self) -> int:
        """Sides in pixels must be multiples of it."""
        return self.backbone.multiple

    def tokens(self, text: Tensor, picture: Tensor) -> Tensor:
        """What cross-attention reads.

        Args:
            text: float (batch, tokens, width).
            picture: The upsampled picture, float (batch, 3, height, width) in [0, 1].

        Returns:
            ``text``, with the picture's tokens behind it where there is an encoder.
        """
        if self.semantics is None or self.adapter is None:
            return text
        return self.adapter(text, self.semantics(picture))

    def noise_in(self, latent: Tensor, times: Tensor, picture: Tensor, tokens: Tensor) -> Tensor:
        """The noise in noisy latents.

        Args:
            latent: float (batch, channels, height, width).
            times: int64 (batch,).
            picture: The upsampled picture, float (batch, 3, height * factor, width * factor) in [0, 1].
            tokens: As :meth:`tokens` gives them.

        Returns:
            Shape of ``latent``.
        """
        down, middle = self.control(latent, times, tokens, controlnet_cond=picture, return_dict=False)
        kind = self.backbone.unet.dtype
        noise = self.backbone.unet(
            latent.to(kind),
            times,
            tokens.to(kind),
            down_block_additional_residuals=[each.to(kind) for each in down],
            mid_block_additional_residual=middle.to(kind),
            return_dict=False,
        )[0]
        return noise.to(latent.dtype)

    @torch.no_grad()
    def restore(
        self,
        picture: Tensor,
        steps: int = 50,
        guidance: float = 1.0,
        eta: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Restore a picture from noise.

        Args:
            picture: The upsampled picture, float (batch, 3, height, width) in [0, 1], sides multiples of ``multiple``.
            steps: Denoising steps.
            guidance: ``e = e_negative + guidance (e_positive - e_negative)``. 1 is the positive prompt alone, in one
                forward a step; below 1 lies between the two, where SRlab puts the synthetic part (0.9).
            eta: Share of fresh noise, 0..1; see :func:`models.sr.sampling.sample`.
            generator: Source of noise, on the CPU.

        Returns:
            float (batch, 3, height, width) in [0, 1].
        """
        batch, _, height, width = picture.shape
        channels = int(self.backbone.unet.config.in_channels)
        start = noise_like(picture.new_empty(batch, channels, height // self.factor, width // self.factor), generator)
        positive, negative = (
            self.tokens(self.backbone.prompt(kind).expand(batch, -1, -1), picture) for kind in ("positive", "negative")
        )

        def noise_in(latent: Tensor, times: Tensor) -> Tensor:
            good = self.noise_in(latent, times, picture, positive)
            if guidance == 1.0:
                return good
            bad = self.noise_in(latent, times, picture, negative)
            return bad + guidance * (good - bad)

        latent = sample(noise_in, start, self.backbone.alphas, steps, eta, generator)
        return self.backbone.decode(latent).float().clamp(-1, 1).add(1).div(2)

    def facts(self) -> dict[str, Any]:
        """What base and encoder it was made with, as plain values."""
        seen = {**self.semantics.facts()} if self.semantics is not None else None
        return {"base": self.backbone.facts(), "semantics": seen}
