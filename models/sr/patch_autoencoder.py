"""A small autoencoder of factor 4 with the interface of diffusers' AutoencoderKL, for runs without a GPU.

It begins as the best linear code of 4x4 patches (their principal components), which a plain convolutional autoencoder
of this size does not reach in minutes of training; convolutions beside it learn what is left.
"""

from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn


class _Residual(nn.Module):
    """Two 3x3 convolutions beside an identity; nothing at first, since the last one starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(nn.functional.silu(self.first(x)))


class _Detour(nn.Module):
    """What the linear code misses: from channels to channels by some residual blocks, zero at first."""

    def __init__(self, inside: int, width: int, outside: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inside, width, 3, padding=1)
        self.blocks = nn.Sequential(*[_Residual(width) for _ in range(blocks)])
        self.leave = nn.Conv2d(width, outside, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.blocks(self.enter(x)))


class PatchAutoencoder(ModelMixin, ConfigMixin):
    """Patches of ``factor`` x ``factor`` pixels as latent channels; no attention and no norm, so tiles see no seam.

    Args:
        latent_channels: Channels of a latent, at most ``3 * factor ** 2``.
        factor: Pixels of a side that become one latent.
        width: Channels of the convolutions.
        encoder_blocks: Residual blocks of the encoder.
        decoder_blocks: Residual blocks of the decoder.
        scaling_factor: Multiplies latents so that they have unit variance.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 12,
        factor: int = 4,
        width: int = 64,
        encoder_blocks: int = 2,
        decoder_blocks: int = 4,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        pixels = 3 * factor**2
        self.unshuffle, self.shuffle = nn.PixelUnshuffle(factor), nn.PixelShuffle(factor)
        self.code = nn.Conv2d(pixels, latent_channels, 1)
        self.uncode = nn.Conv2d(latent_channels, pixels, 1)
        self.encoder = _Detour(pixels, width, latent_channels, encoder_blocks)
        self.decoder = _Detour(latent_channels, width, pixels, decoder_blocks)

    def encode(self, x: Tensor, return_dict: bool = True) -> Any:
        """Latents of images.

        Args:
            x: (b, 3, h, w) in [-1, 1], sides multiples of the factor.
            return_dict: Return an object with ``latent_dist`` instead of a tuple.

        Returns:
            A Gaussian of no width around the code, (b, latent_channels, h / factor, w / factor).
        """
        patches = self.unshuffle(x)
        mean = self.code(patches) + self.encoder(patches)
        posterior = DiagonalGaussianDistribution(torch.cat([mean, torch.full_like(mean, -30.0)], dim=1))
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    def decode(self, z: Tensor, return_dict: bool = True) -> Any:
        """Images of latents.

        Args:
            z: (b, latent_channels, h, w), not scaled.
            return_dict: Return an object with ``sample`` instead of a tuple.

        Returns:
            (b, 3, h * factor, w * factor), about [-1, 1].
        """
        sample = self.shuffle(self.uncode(z) + self.decoder(z))
        return DecoderOutput(sample=sample) if return_dict else (sample,)

    @torch.no_grad()
    def begin_linear(self, images: Tensor) -> float:
        """Set the linear code to the principal components of the patches of some images.

        Args:
            images: (b, 3, h, w) in [-1, 1].

        Returns:
            Mean squared error of the linear code on these images, in [-1, 1] units.
        """
        patches = self.unshuffle(images).permute(0, 2, 3, 1).reshape(-1, self.code.in_channels).double()
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
        order = values.argsort(descending=True)[: self.code.out_channels]
        basis = vectors[:, order].T
        # Unit variance for each channel; the components' signs are free, so they are fixed.
        basis = basis * basis.sum(1, keepdim=True).sign()
        scale = values[order].clamp_min(1e-12).sqrt()[:, None]
        self.code.weight.copy_((basis / scale)[..., None, None])
        self.code.bias.copy_(-(basis / scale) @ mean)  # type: ignore[union-attr]
        self.uncode.weight.copy_((basis * scale).T[..., None, None])
        self.uncode.bias.copy_(mean)  # type: ignore[union-attr]
        return float(values.sum() - values[order].sum()) / self.code.in_channels
