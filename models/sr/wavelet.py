"""Bands of an image by the a-trous transform: what is coarse, and what is left."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad


def low_band(image: Tensor, levels: int = 5) -> Tensor:
    """Coarse part of an image: blurred ``levels`` times by [1 2 1] x [1 2 1] / 16 with taps 1, 2, 4 ... pixels apart.

    The border is repeated outwards. ``image - low_band(image)`` is the fine part.

    Args:
        image: (b, c, h, w).
        levels: Number of blurs, from 1; a blur reaches twice as far as the one before.

    Returns:
        (b, c, h, w).
    """
    for level in range(levels):
        image = _blurred(image, 2**level)
    return image


def split_bands(image: Tensor, levels: int) -> list[Tensor]:
    """Bands from fine to coarse, which add up to the image: what each blur of :func:`low_band` takes, and the rest.

    Args:
        image: (b, c, h, w).
        levels: Number of blurs, from 1.

    Returns:
        ``levels + 1`` images of the same size.
    """
    parts = []
    for level in range(levels):
        low = _blurred(image, 2**level)
        parts.append(image - low)
        image = low
    return [*parts, image]


def _blurred(image: Tensor, reach: int) -> Tensor:
    channels = image.shape[1]
    taps = torch.tensor([0.25, 0.5, 0.25], dtype=image.dtype, device=image.device).expand(channels, 1, 3)
    image = pad(image, (reach,) * 4, mode="replicate")
    image = conv2d(image, taps[:, :, :, None], dilation=(reach, 1), groups=channels)
    return conv2d(image, taps[:, :, None, :], dilation=(1, reach), groups=channels)
