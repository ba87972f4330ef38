"""NAFusion in frequency bands: how much of every band of each picture, told from how strong the bands are around."""

import torch
from torch import Tensor, nn

from models.sr.naf_block import NAFBlock
from models.sr.wavelet import split_bands

# Pixels of a place of the network, which decides for a neighbourhood.
_STEP = 4
# Bands weaker than a quarter of a grey level are all the same to it.
_FAINT = 1e-3


class BandFusion(nn.Module):
    """``I_psnr`` and a share of every band of itself, of ``I_per - I_psnr`` and of the enlarged LR's difference to it.

    The shares of a place come from a few NAFNet blocks that see nothing but the mean strength of those bands around it,
    not the picture. That is much less than :class:`models.sr.nafusion.NAFusion` can express, and much less to learn:
    it is for sets of few images. Shares begin at zero, so that the output begins at the faithful candidate. Ours.

    Args:
        bands: Number of bands above the coarse part, from 1; with n the coarse part begins at about 2^n pixels.
        width: Channels.
        blocks: Number of blocks.
        lr: Take the enlarged low-resolution image for a third picture.
        local_pool: Side of the window that the attention averages over in evaluation, pixels; about the side of the
            training crops, or null for the whole image.
    """

    # Sides that need no padding are multiples of it.
    multiple = _STEP

    def __init__(
        self, bands: int = 3, width: int = 32, blocks: int = 3, lr: bool = True, local_pool: int | None = None
    ) -> None:
        super().__init__()
        for name, value in (
            ("bands", bands),
            ("width", width),
            ("blocks", blocks),
            ("local_pool", 1 if local_pool is None else local_pool),
        ):
            if value < 1:
                raise ValueError(f"{name} {value} must be at least 1")
        self.bands, self.lr = bands, lr
        window = None if local_pool is None else max(1, local_pool // _STEP)
        shares = bands + (2 if lr else 1) * (bands + 1)
        self.enter = nn.Conv2d(shares, width, 3, padding=1)
        self.blocks = nn.Sequential(*(NAFBlock(width, window) for _ in range(blocks)))
        self.leave = nn.Conv2d(width, shares, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, i_psnr: Tensor, i_per: Tensor, lr: Tensor | None = None) -> Tensor:
        """Fuse the candidates.

        Args:
            i_psnr: (b, 3, h, w) in [0, 1], the faithful candidate; any size.
            i_per: (b, 3, h, w) in [0, 1], the perceptual one.
            lr: (b, 3, h, w) in [0, 1], the low-resolution image enlarged to the same size; only read with ``lr``.

        Returns:
            (b, 3, h, w), about in [0, 1].

        Raises:
            ValueError: The sizes differ, or the low-resolution image is wanted and not given.
        """
        others = [i_per]
        if self.lr:
            if lr is None:
                raise ValueError("this fusion wants the enlarged low-resolution image as its third input")
            others.append(lr)
        if any(image.shape != i_psnr.shape for image in others):
            raise ValueError(f"images of one size are wanted, not {[tuple(each.shape) for each in (i_psnr, *others)]}")
        height, width = i_psnr.shape[-2:]
        sides = (0, -width % _STEP, 0, -height % _STEP)
        faithful, *others = (nn.functional.pad(each, sides, mode="replicate") for each in (i_psnr, *others))
        parts = split_bands(faithful, self.bands)[:-1]
        for other in others:
            parts += split_bands(other - faithful, self.bands)
        # (b, shares, 3, h, w)
        added = torch.stack(parts, dim=1)
        shares = nn.functional.interpolate(self._shares(added), scale_factor=_STEP, mode="bilinear")
        # The sums of the formula are made in full precision.
        fused = faithful.float() + (shares.float()[:, :, None] * added.float()).sum(dim=1)
        return fused[..., :height, :width]

    def _shares(self, added: Tensor) -> Tensor:
        strength = nn.functional.avg_pool2d(
            added.abs().mean(dim=2), 2 * _STEP, _STEP, padding=_STEP // 2, count_include_pad=False
        )
        return self.leave(self.blocks(self.enter(strength.clamp_min(_FAINT).log() + 4)))
