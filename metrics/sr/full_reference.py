"""PSNR and SSIM of 8-bit pictures by a stated convention, the challenge's own among them.

The challenge's scorer (``score_release.py`` of the NTIRE 2025 repository, after BasicSR) compares BT.601 luma of
studio range held in float32 and leaves out 4 pixels at each edge. Its mean squared error is summed in float32, ours in
float64, so PSNR agrees to 1e-5 dB and no better (SSIM to 1e-12).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_TAPS, _SIGMA = 11, 1.5
_LUMA = np.array([65.481, 128.553, 24.966])  # of red, green and blue in [0, 1], for luma in [16, 235]


@dataclass(frozen=True)
class Convention:
    """What of a picture is compared.

    Attributes:
        colorspace: ``y`` compares luma, ``rgb`` the three channels; an SSIM of three channels is their mean.
        crop_border: Pixels left out at each edge.
    """

    colorspace: Literal["y", "rgb"] = "y"
    crop_border: int = 4

    def __post_init__(self) -> None:
        if self.colorspace not in ("y", "rgb"):
            raise ValueError(f"colorspace {self.colorspace!r} is neither 'y' nor 'rgb'")
        if self.crop_border < 0:
            raise ValueError(f"crop_border {self.crop_border} is negative")

    def __str__(self) -> str:
        """In words, as tables print it."""
        colours = "BT.601 luma" if self.colorspace == "y" else "RGB"
        edge = f"{self.crop_border} pixels cropped at each edge" if self.crop_border else "nothing cropped"
        return f"{colours}, {edge}, SSIM with an 11-tap Gaussian of sigma 1.5, data range 255"


OFFICIAL = Convention("y", 4)
RGB = Convention("rgb", 0)
PRESETS = {"official": OFFICIAL, "rgb": RGB}


def psnr(sr: Picture, hr: Picture, convention: Convention = OFFICIAL) -> float:
    """Peak signal-to-noise ratio.

    Args:
        sr: (height, width, 3) uint8 RGB, the picture judged.
        hr: (height, width, 3) uint8 RGB, the original.
        convention: What is compared.

    Returns:
        Decibels; infinite where nothing differs.

    Raises:
        ValueError: The pictures differ in size, are no uint8 RGB, or nothing is left within the border.
    """
    first, second = _compared(sr, hr, convention, 1)
    error = float(np.mean((first - second) ** 2))
    return math.inf if error == 0 else 20 * math.log10(255 / math.sqrt(error))


def ssim(sr: Picture, hr: Picture, convention: Convention = OFFICIAL) -> float:
    """Structural similarity (Wang et al. 2004), mean over the places where the whole window lies in the picture.

    Args:
        sr: (height, width, 3) uint8 RGB, the picture judged.
        hr: (height, width, 3) uint8 RGB, the original.
        convention: What is compared.

    Returns:
        At most 1, which only equal pictures reach.

    Raises:
        ValueError: The pictures differ in size, are no uint8 RGB, or are smaller than the window within the border.
    """
    first, second = _compared(sr, hr, convention, _TAPS)
    return float(np.mean([_ssim(a, b) for a, b in zip(first, second, strict=True)]))


def ms_ssim(sr: Picture, hr: Picture, convention: Convention = OFFICIAL) -> float:
    """Structural similarity over five scales (Wang et al. 2003), by torchmetrics.

    Args:
        sr: (height, width, 3) uint8 RGB, the picture judged.
        hr: (height, width, 3) uint8 RGB, the original.
        convention: What is compared.

    Returns:
        At most 1.

    Raises:
        ValueError: As :func:`ssim`; the coarsest of five scales must still hold the window.
    """
    import torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    # torchmetrics asks for more than ten pixels on the coarsest scale.
    pair = [torch.from_numpy(planes)[None] for planes in _compared(sr, hr, convention, 16 * _TAPS)]
    return float(multiscale_structural_similarity_index_measure(pair[0], pair[1], data_range=255.0))


def l1(sr: Picture, hr: Picture) -> float:
    """Mean absolute difference of the three channels, of whole pictures whatever the convention.

    Args:
        sr: (height, width, 3) uint8 RGB, the picture judged.
        hr: (height, width, 3) uint8 RGB, the original.

    Returns:
        0 to 1.

    Raises:
        ValueError: As :func:`psnr`.
    """
    first, second = _compared(sr, hr, RGB, 1)
    return float(np.mean(np.abs(first - second)) / 255)


def luma(picture: Picture) -> NDArray[np.float64]:
    """BT.601 luma of studio range, 16 to 235, rounded to float32 on the way as the challenge's scorer does.

    Args:
        picture: (height, width, 3) uint8 RGB.

    Returns:
        (height, width) float64.
    """
    unit = picture.astype(np.float32) / np.float32(255)
    values = ((unit @ _LUMA + 16) / 255).astype(np.float32) * np.float32(255)
    return values.astype(np.float64)


def _compared(
    sr: Picture, hr: Picture, convention: Convention, least: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Channels first, (channels, height, width) float64, of both pictures within the border."""
    for picture in (sr, hr):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"a picture of {picture.dtype} {picture.shape} is no uint8 (height, width, 3)")
    if sr.shape != hr.shape:
        raise ValueError(f"{sr.shape[1]}x{sr.shape[0]} where the original is {hr.shape[1]}x{hr.shape[0]}")
    border = convention.crop_border
    height, width = (side - 2 * border for side in hr.shape[:2])
    if min(height, width) < least:
        raise ValueError(
            f"{hr.shape[1]}x{hr.shape[0]} is too small: {least} pixels a side are needed within a border of {border}"
        )
    window = np.s_[border : border + height, border : border + width]
    if convention.colorspace == "y":
        return luma(sr[window])[None], luma(hr[window])[None]
    first, second = (picture[window].transpose(2, 0, 1).astype(np.float64) for picture in (sr, hr))
    return first, second


def _ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from scipy.ndimage import correlate1d

    taps = np.exp(-((np.arange(_TAPS) - _TAPS // 2) ** 2) / (2 * _SIGMA**2))
    taps /= taps.sum()
    maps = np.stack([a, b, a * a, b * b, a * b])
    for axis in (1, 2):
        maps = correlate1d(maps, taps, axis=axis, mode="nearest")
    inside = slice(_TAPS // 2, -(_TAPS // 2))
    mean_a, mean_b, square_a, square_b, product = maps[:, inside, inside]
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    crossed, squared = mean_a * mean_b, mean_a**2 + mean_b**2
    similarity = (2 * crossed + c1) * (2 * (product - crossed) + c2)
    return float(np.mean(similarity / ((squared + c1) * (square_a + square_b - squared + c2))))
