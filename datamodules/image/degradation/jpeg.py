"""What JPEG leaves of pictures, computed on any device: baseline, 4:2:0, the standard's example tables.

The steps are those of ITU-T T.81 and JFIF in the order of libjpeg, with its rounding to whole numbers, so the result
differs from a real codec by little more than the precision of the cosine transform. Nothing is packed into bits.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.image.degradation import canvas

# Quantization of brightness and colour at quality 50, T.81 annex K.1, rows of rising vertical frequency.
BRIGHTNESS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
COLOUR = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8 for _ in range(4)),
)
TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))
MIDDLE = 128.0


def compressed(x: Tensor, sizes: Sequence[canvas.Size], qualities: Sequence[int]) -> Tensor:
    """Quantize pictures as JPEG files of these qualities would.

    Args:
        x: Canvas in [0, 1].
        sizes: Height and width of each picture.
        qualities: 1 to 100 for each picture, as libjpeg counts.

    Returns:
        A canvas of the same shape, on the 8-bit grid.
    """
    height, width = x.shape[2:]
    levels = x.clamp(0, 1).mul(255).round()
    # Whole units of 16 pixels, filled with the last row and column.
    levels = canvas.extended(levels, sizes, (-(-height // 16) * 16, -(-width // 16) * 16))
    ycc = _mixed(levels, TO_YCC)
    # libjpeg rounds halves down in one column and up in the next, so that colours do not drift.
    odd = torch.arange(ycc.shape[3], device=x.device).remainder(2)
    colour = F.avg_pool2d(ycc[:, 1:].round(), 2).add((1 + odd[: ycc.shape[3] // 2]) / 4).floor()
    brightness = _quantized(ycc[:, :1].round(), _steps(BRIGHTNESS, qualities, x.device))
    colour = _quantized(colour, _steps(COLOUR, qualities, x.device))
    halves = [(-(-size[0] // 2), -(-size[1] // 2)) for size in sizes]
    colour = F.interpolate(canvas.extended(colour, halves), scale_factor=2, mode="bilinear").add((8 - odd) / 16).floor()
    rgb = _mixed(torch.cat([brightness, colour], 1), TO_RGB)
    return rgb[:, :, :height, :width].round().clamp(0, 255).div(255)


def _mixed(x: Tensor, weights: tuple[tuple[float, ...], ...]) -> Tensor:
    """Every output channel a weighted sum of the input channels; colours of YCbCr have zero in the middle."""
    return torch.einsum("oc,bchw->bohw", torch.tensor(weights, device=x.device), x)


def _quantized(x: Tensor, steps: Tensor) -> Tensor:
    """Cosine transform of 8x8 blocks, rounded to multiples of ``steps`` (b, 8, 8), and back, clipped to 8 bit.

    ``x`` is (b, c, h, w); brightness counts from 0, colours from -128, and both are coded about zero.
    """
    offset = MIDDLE if x.shape[1] == 1 else 0.0
    batch, channels, height, width = x.shape
    blocks = (x - offset).reshape(batch, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    basis = _cosines(x.device)
    step = steps.view(batch, 1, 1, 1, 8, 8)
    blocks = basis.T @ ((basis @ blocks @ basis.T / step).round() * step) @ basis
    return (blocks.transpose(3, 4).reshape(x.shape).round().clamp(-MIDDLE, MIDDLE - 1)) + offset


def _cosines(device: torch.device) -> Tensor:
    """The orthonormal cosine basis, one frequency in each row."""
    places = torch.arange(8, dtype=torch.float64)
    basis = torch.cos(math.pi / 8 * places[:, None] * (places + 0.5)) / 2
    basis[0] /= math.sqrt(2)
    return basis.float().to(device)


def _steps(table: tuple[tuple[int, ...], ...], qualities: Sequence[int], device: torch.device) -> Tensor:
    """Quantization steps (b, 8, 8) after libjpeg's rule for qualities."""
    scales = [5000 // quality if quality < 50 else 200 - 2 * quality for quality in qualities]
    scaled = (torch.tensor(table) * torch.tensor(scales).view(-1, 1, 1) + 50) // 100
    return scaled.clamp(1, 255).float().to(device)
