"""Structural similarity as a loss."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from losses.full_precision import full_precision


def ssim(x: Tensor, y: Tensor, taps: int = 11, sigma: float = 1.5) -> Tensor:
    """Structural similarity (Wang et al., TIP 2004) under a Gaussian window, over places where the window fits.

    It is computed on every colour channel; the challenge's figure, on luma, is ``metrics.sr.full_reference.ssim``.

    Args:
        x: (b, c, h, w) in [0, 1].
        y: The same.
        taps: Side of the window, pixels; of a smaller image's side where that is less.
        sigma: Standard deviation of the window, pixels.

    Returns:
        (b,) fp32, -1 to 1; 1 for equal images.
    """
    with full_precision(x):
        x, y = x.float(), y.float()
        mean_x, mean_y = _windowed(x, taps, sigma), _windowed(y, taps, sigma)
        variance_x = _windowed(x * x, taps, sigma) - mean_x.square()
        variance_y = _windowed(y * y, taps, sigma) - mean_y.square()
        covariance = _windowed(x * y, taps, sigma) - mean_x * mean_y
        c1, c2 = 0.01**2, 0.03**2
        luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
        structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
        return (luminance * structure).mean(dim=(1, 2, 3))


def ssim_loss(x: Tensor, y: Tensor, taps: int = 11, sigma: float = 1.5) -> Tensor:
    """1 - SSIM, mean over the batch.

    Args:
        x: (b, c, h, w) in [0, 1].
        y: The same.
        taps: Side of the window, pixels.
        sigma: Standard deviation of the window, pixels.

    Returns:
        () loss, 0 to 2.

    >>> image = torch.linspace(0, 1, 256).view(1, 1, 16, 16)
    >>> ssim_loss(image, image)
    tensor(0.)
    >>> bool(ssim_loss(image, 1 - image) > 0.5)
    True
    """
    return 1 - ssim(x, y, taps, sigma).mean()


def _windowed(x: Tensor, taps: int, sigma: float) -> Tensor:
    for axis in (2, 3):
        count = min(taps, x.shape[axis])
        places = torch.arange(count, device=x.device, dtype=x.dtype) - (count - 1) / 2
        window = torch.exp(-places.square() / (2 * sigma**2))
        shape = [1, 1, 1, 1]
        shape[axis] = count
        x = conv2d(x, (window / window.sum()).view(shape).expand(x.shape[1], -1, -1, -1), groups=x.shape[1])
    return x
