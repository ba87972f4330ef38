"""The one resampler of images: bicubic, so that no two parts of the project enlarge differently."""

from torch import Tensor
from torch.nn import functional


def upsample(lr: Tensor, scale: int) -> Tensor:
    """Enlarge by a whole factor: bicubic with a = -0.75, no antialiasing, clamped.

    Args:
        lr: (b, 3, h, w) in [0, 1].
        scale: Factor; 1 returns the images as they are.

    Returns:
        (b, 3, h * scale, w * scale) in [0, 1].
    """
    if scale == 1:
        return lr
    return functional.interpolate(lr, scale_factor=scale, mode="bicubic", align_corners=False).clamp(0, 1)
