"""Two bands of an image by the a-trous transform: what is coarse, and what is left."""

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
    channels = image.shape[1]
    taps = torch.tensor([0.25, 0.5, 0.25], dtype=image.dtype, device=image.device).expand(channels, 1, 3)
    for level in range(levels):
        reach = 2**level
        image = pad(image, (reach,) * 4, mode="replicate")
        image = conv2d(image, taps[:, :, :, None], dilation=(reach, 1), groups=channels)
        image = conv2d(image, taps[:, :, None, :], dilation=(1, reach), groups=channels)
    return image
