"""NAFusion: a small NAFNet that decides where the detail of the perceptual candidate enters the faithful one."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from models.sr.naf_block import NAFBlock
from models.sr.wavelet import low_band

# Sigmoid of it, 0.12, is the share of the perceptual candidate before training.
_GATE_SHIFT = -2.0


@dataclass(frozen=True)
class Shape:
    """Size of a network: channels of the first level, and blocks on the way down, at the bottom and on the way up."""

    width: int
    down: tuple[int, ...]
    middle: int
    up: tuple[int, ...]


SHAPES = {
    "S": Shape(16, (1, 1, 2), 2, (1, 1, 1)),
    "M": Shape(32, (2, 2, 4), 6, (2, 2, 2)),
    "L": Shape(64, (2, 2, 4), 8, (2, 2, 2)),
    "nafnet32": Shape(32, (1, 1, 1, 28), 1, (1, 1, 1, 1)),
}


class NAFusion(nn.Module):
    """``I_psnr + g * (I_per - I_psnr) + r``: a gate g and a residual r for every pixel, from a U-shaped NAFNet.

    The last convolution begins at zero, so that the output begins between the candidates, near the faithful one. That
    TACO SR fuses two candidates by a NAFNet is published (arXiv 2504.15003); formula and sizes are a reading.

    Args:
        preset: ``S`` 0.4, ``M`` 4.0, ``L`` 19.6, ``nafnet32`` (the shape of NAFNet with 32 channels) 17.1 million
            parameters.
        input: What the network sees: ``six``, both candidates; ``highpass``, the faithful one and what is fine of the
            perceptual one.
        gate: Channels of the gate: 1, or 3 for one a colour; 0 for none, which leaves only the residual.
        lr: Show the network the enlarged low-resolution image too.
        local_pool: Side of the window that the attention averages over in evaluation, pixels; about the side of the
            training crops, or null for the whole image.
    """

    def __init__(
        self,
        preset: Literal["S", "M", "L", "nafnet32"] = "M",
        input: Literal["six", "highpass"] = "six",
        gate: Literal[0, 1, 3] = 1,
        lr: bool = False,
        local_pool: int | None = None,
    ) -> None:
        super().__init__()
        if preset not in SHAPES:
            raise ValueError(f"preset {preset!r} is none of {', '.join(SHAPES)}")
        if gate not in (0, 1, 3):
            raise ValueError(f"gate {gate} is none of 0, 1, 3")
        if local_pool is not None and local_pool < 1:
            raise ValueError(f"local_pool {local_pool} must be at least 1 pixel, or null")
        shape = SHAPES[preset]
        self.input, self.gate, self.lr = input, gate, lr
        self.multiple = 2 ** len(shape.down)
        windows = [None if local_pool is None else max(1, local_pool // 2**level) for level in range(9)]
        width = shape.width
        self.enter = nn.Conv2d(9 if lr else 6, width, 3, padding=1)
        self.down, self.reduce = nn.ModuleList(), nn.ModuleList()
        for level, blocks in enumerate(shape.down):
            self.down.append(_blocks(blocks, width, windows[level]))
            self.reduce.append(nn.Conv2d(width, 2 * width, 2, stride=2))
            width *= 2
        self.middle = _blocks(shape.middle, width, windows[len(shape.down)])
        self.enlarge, self.up = nn.ModuleList(), nn.ModuleList()
        for level, blocks in zip(reversed(range(len(shape.up))), shape.up, strict=True):
            self.enlarge.append(nn.Sequential(nn.Conv2d(width, 2 * width, 1, bias=False), nn.PixelShuffle(2)))
            width //= 2
            self.up.append(_blocks(blocks, width, windows[level]))
        self.leave = nn.Conv2d(width, 3 + gate, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, i_psnr: Tensor, i_per: Tensor, lr: Tensor | None = None) -> Tensor:
        """Fuse the candidates.

        Args:
            i_psnr: (b, 3, h, w) in [0, 1], the faithful candidate; any size.
            i_per: (b, 3, h, w) in [0, 1], the perceptual one.
            lr: (b, 3, h, w) in [0, 1], the low-resolution image enlarged to the same size; only read with ``lr``.

        Returns:
            (b, 3, h, w), about in [0, 1]: the residual may lead a little out of it.

        Raises:
            ValueError: The sizes differ, or the low-resolution image is wanted and not given.
        """
        images = [i_psnr, i_per if self.input == "six" else i_per - low_band(i_per)]
        if self.lr:
            if lr is None:
                raise ValueError("this fusion wants the enlarged low-resolution image as its third input")
            images.append(lr)
        if any(image.shape != i_psnr.shape for image in images):
            raise ValueError(f"images of one size are wanted, not {[tuple(image.shape) for image in images]}")
        out = self._network(torch.cat(images, dim=1))
        fused = i_psnr + out[:, :3]
        if self.gate:
            fused = fused + torch.sigmoid(out[:, 3:] + _GATE_SHIFT) * (i_per - i_psnr)
        return fused

    def _network(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        below, right = -height % self.multiple, -width % self.multiple
        x = self.enter(nn.functional.pad(x, (0, right, 0, below), mode="replicate"))
        passed = []
        for blocks, reduce in zip(self.down, self.reduce, strict=True):
            x = blocks(x)
            passed.append(x)
            x = reduce(x)
        x = self.middle(x)
        for enlarge, blocks in zip(self.enlarge, self.up, strict=True):
            x = blocks(enlarge(x) + passed.pop())
        # The sums of the formula are made in full precision.
        return self.leave(x)[..., :height, :width].float()


def _blocks(count: int, channels: int, window: int | None) -> nn.Sequential:
    return nn.Sequential(*(NAFBlock(channels, window) for _ in range(count)))
