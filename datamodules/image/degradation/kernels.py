"""Blur kernels of Real-ESRGAN's degradation, for many samples at once.

The formulas are those of the paper (arXiv 2107.10833) and of the code that came with it. With the squared Mahalanobis
distance ``d = p' S^-1 p`` of a place ``p``: Gaussian ``exp(-d/2)``, generalized ``exp(-d^beta / 2)``, plateau
``1 / (1 + d^beta)``; sinc ``c J1(c r) / (2 pi r)``, the ideal low-pass of a disc of radius ``c`` in frequency.
"""

from collections.abc import Sequence

import numpy as np

from datamodules.image.degradation.plan import Blur

SIDE = 21
# A width that moves nothing to the next pixel; a range that begins at zero must not divide by it.
NO_BLUR = 1e-3


def kernels(blurs: Sequence[Blur | None]) -> np.ndarray:
    """Kernels that sum to one, each in the middle of a square of zeros.

    Args:
        blurs: What to draw; None gives the kernel that changes nothing.

    Returns:
        float32 (n, 21, 21), first axis of the picture down, second to the right.
    """
    out = np.zeros((len(blurs), SIDE, SIDE))
    drawn = [(index, blur) for index, blur in enumerate(blurs) if blur is not None]
    for formula, is_sinc in ((_sinc, True), (_smooth, False)):
        chosen = [(index, blur) for index, blur in drawn if (blur.kind == "sinc") is is_sinc]
        if chosen:
            out[[index for index, _ in chosen]] = formula([blur for _, blur in chosen])
    away = np.maximum(*np.abs(_grid()))
    out *= away <= np.array([blur.size // 2 if blur else 0 for blur in blurs])[:, None, None]
    out[[index for index, blur in enumerate(blurs) if blur is None], SIDE // 2, SIDE // 2] = 1
    return (out / out.sum((1, 2), keepdims=True)).astype(np.float32)


def kernel(blur: Blur) -> np.ndarray:
    """One kernel without the zeros around it, float32 (size, size)."""
    edge = (SIDE - blur.size) // 2
    return kernels([blur])[0, edge : edge + blur.size, edge : edge + blur.size]


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Places down and to the right of the middle, pixels."""
    down, right = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    return down, right


def _smooth(blurs: Sequence[Blur]) -> np.ndarray:
    down, right = _grid()
    values = [[blur.sigma_x, blur.sigma_y, blur.angle, blur.beta] for blur in blurs]
    sigma_x, sigma_y, angle, beta = np.array(values).T[..., None, None]
    along, across = right * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - right * np.sin(angle)
    distance = (along / np.maximum(sigma_x, NO_BLUR)) ** 2 + (across / np.maximum(sigma_y, NO_BLUR)) ** 2
    power = distance**beta
    plateau = np.array([blur.kind.startswith("plateau") for blur in blurs])[:, None, None]
    return np.where(plateau, 1 / (1 + power), np.exp(-0.5 * power))


def _sinc(blurs: Sequence[Blur]) -> np.ndarray:
    from scipy.special import j1

    cutoff = np.array([blur.cutoff for blur in blurs])[:, None, None]
    radius = np.hypot(*_grid())
    radius[SIDE // 2, SIDE // 2] = 1  # the limit stands there instead
    out = cutoff * j1(cutoff * radius) / (2 * np.pi * radius)
    out[:, SIDE // 2, SIDE // 2] = cutoff[:, 0, 0] ** 2 / (4 * np.pi)
    return out
