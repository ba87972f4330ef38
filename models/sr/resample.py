"""The one enlargement of low-resolution pictures: what training saw, inference sees too."""

from torch import Tensor
from torch.nn.functional import interpolate


def upsample(lr: Tensor, scale: int) -> Tensor:
    """Enlarge pictures by bicubic interpolation (a = -0.75, no antialias, pixel centres aligned), clamped to [0, 1].

    Args:
        lr: float (b, 3, h, w) in [0, 1].
        scale: Factor of each side, from 1; 1 changes nothing but values out of range.

    Returns:
        (b, 3, h * scale, w * scale) in [0, 1], dtype of ``lr``.

    Raises:
        ValueError: ``scale`` is less than 1.
    """
    if scale < 1:
        raise ValueError(f"scale {scale} must be at least 1")
    if scale > 1:
        lr = interpolate(lr, scale_factor=scale, mode="bicubic", align_corners=False, antialias=False)
    return lr.clamp(0, 1)
