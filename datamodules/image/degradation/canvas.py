"""Pictures of different sizes on one canvas, worked on together on any device.

A canvas is a float32 tensor (b, 3, H, W) whose pictures stand in the upper left corner, each with a size of its own.
What lies beyond a picture means nothing, and no stage lets it in.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]


def filtered(x: Tensor, sizes: Sequence[Size], kernels: Tensor) -> Tensor:
    """Filter every picture with its own kernel, mirrored at its own edges.

    Args:
        x: Canvas.
        sizes: Height and width of each picture.
        kernels: float32 (b, k, l), odd sides.
    """
    reach = kernels.shape[1] // 2, kernels.shape[2] // 2
    padded = _gathered(x, *(_mirrored(sizes, axis, x.shape[2 + axis], reach[axis], x.device) for axis in (0, 1)))
    batch, channels, height, width = padded.shape
    weight = kernels.repeat_interleave(channels, 0)[:, None]
    out = F.conv2d(padded.reshape(1, batch * channels, height, width), weight, groups=batch * channels)
    return out.reshape(x.shape)


def resized(x: Tensor, sizes: Sequence[Size], wanted: Sequence[Size], modes: Sequence[str]) -> Tensor:
    """Resize every picture without antialiasing, each axis as one matrix.

    Args:
        x: Canvas.
        sizes: Height and width of each picture.
        wanted: Height and width to reach.
        modes: ``area``, ``bilinear`` or ``bicubic``, with PyTorch's meaning of each.
    """
    if list(sizes) == list(wanted):
        return x
    rows, columns = (
        _matrix([size[axis] for size in sizes], [size[axis] for size in wanted], modes, x.shape[2 + axis], x.device)
        for axis in (0, 1)
    )
    batch, channels, height, width = x.shape
    out = torch.bmm(x.reshape(batch, channels * height, width), columns.transpose(1, 2))
    out = out.reshape(batch, channels, height, -1)
    return torch.matmul(rows[:, None], out)


def extended(x: Tensor, sizes: Sequence[Size], wanted: Size | None = None) -> Tensor:
    """Fill the canvas beyond every picture with its last row and column.

    Args:
        x: Canvas.
        sizes: Height and width of each picture.
        wanted: Height and width of the new canvas; None: those of ``x``.
    """
    height, width = wanted or x.shape[2:]
    return _gathered(x, *(_clamped(sizes, axis, side, x.device) for axis, side in enumerate((height, width))))


def inside(x: Tensor, sizes: Sequence[Size]) -> Tensor:
    """Which pixels of the canvas belong to a picture, bool (b, 1, H, W)."""
    rows, columns = (
        torch.arange(x.shape[2 + axis], device=x.device) < _column(sizes, axis, x.device) for axis in (0, 1)
    )
    return rows[:, None, :, None] & columns[:, None, None, :]


def _gathered(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pixels at ``rows`` (b, m) and ``columns`` (b, n), as (b, c, m, n)."""
    batch = torch.arange(x.shape[0], device=x.device).view(-1, 1, 1, 1)
    channel = torch.arange(x.shape[1], device=x.device).view(1, -1, 1, 1)
    return x[batch, channel, rows[:, None, :, None], columns[:, None, None, :]]


def _mirrored(sizes: Sequence[Size], axis: int, length: int, reach: int, device: torch.device) -> Tensor:
    """Places (b, length + 2 reach) after mirroring about the first and last pixel as often as it takes."""
    places = torch.arange(-reach, length + reach, device=device)
    size = _column(sizes, axis, device)
    period = (2 * size - 2).clamp(min=1)
    # Modulo 1 is 0: a side of one pixel repeats it.
    folded = places.remainder(period)
    return torch.minimum(folded, period - folded).clamp(max=length - 1) * (size > 1)


def _clamped(sizes: Sequence[Size], axis: int, length: int, device: torch.device) -> Tensor:
    return torch.minimum(torch.arange(length, device=device), _column(sizes, axis, device) - 1)


def _column(sizes: Sequence[Size], axis: int, device: torch.device) -> Tensor:
    return torch.tensor([size[axis] for size in sizes], device=device)[:, None]


def _matrix(old: list[int], new: list[int], modes: Sequence[str], length: int, device: torch.device) -> Tensor:
    """Weights (b, most of new, length) that resize one axis; rows beyond the new size are zero."""
    size, wanted = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (old, new))
    places = torch.arange(max(new), device=device).view(1, -1, 1)
    centre = (places + 0.5) * (size / wanted) - 0.5
    by_area = torch.tensor([mode == "area" for mode in modes], device=device).view(-1, 1, 1)
    cubic = torch.tensor([mode == "bicubic" for mode in modes], device=device).view(-1, 1, 1)
    taps = centre.floor() + torch.arange(-1, 3, device=device)
    near = torch.where(cubic, centre, centre.clamp(min=0))
    away = (taps - near).abs()
    weight = torch.where(cubic, _cubic(away), (1 - away).clamp(min=0))
    out = torch.zeros(len(old), max(new), length, device=device)
    out.scatter_add_(2, taps.clamp(min=0).minimum(size - 1).long(), weight)
    source = torch.arange(length, device=device)
    first, last = places * size // wanted, -(-(places + 1) * size // wanted)
    out = torch.where(by_area, ((source >= first) & (source < last)) / (last - first), out)
    return out * (places < wanted)


def _cubic(away: Tensor, a: float = -0.75) -> Tensor:
    """Keys' kernel with the coefficient that PyTorch and OpenCV take."""
    near = ((a + 2) * away - (a + 3)) * away * away + 1
    far = ((away - 5) * away + 8) * a * away - 4 * a
    return torch.where(away <= 1, near, torch.where(away < 2, far, torch.zeros_like(away)))
