"""What a picture looks like in numbers: how sharp, noisy, blocky and colourful it is.

Each is cheap, needs no reference, and says little alone; their distributions tell whether one set of pictures is
degraded like another.
"""

import numpy as np

# Side of the blocks that JPEG and most video codecs transform, pixels.
BLOCK = 8
# Frequencies from here on are high, cycles per pixel; 0.5 is the most that pixels can show.
HIGH = 0.25
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def picture_statistics(picture: np.ndarray) -> dict[str, float]:
    """All statistics of one picture.

    Args:
        picture: uint8 (h, w, 3) RGB.

    Returns:
        ``sharpness, noise, blockiness, high_frequency, colourfulness, brightness, height, width``, all finite.
    """
    luma = picture.astype(np.float32) @ LUMA
    return {
        "sharpness": sharpness(luma),
        "noise": noise(luma),
        "blockiness": blockiness(luma),
        "high_frequency": high_frequency(luma),
        "colourfulness": colourfulness(picture),
        "brightness": float(luma.mean()),
        "height": float(picture.shape[0]),
        "width": float(picture.shape[1]),
    }


def sharpness(luma: np.ndarray) -> float:
    """Variance of the Laplacian of four neighbours, squared levels; 0 below 3x3 pixels.

    Args:
        luma: float32 (h, w), levels 0 to 255, as for all statistics here.
    """
    if min(luma.shape) < 3:
        return 0.0
    middle = luma[1:-1, 1:-1]
    return float((luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * middle).var())


def noise(luma: np.ndarray) -> float:
    """Standard deviation of white noise, levels: the median magnitude of diagonal detail over 0.6745 (Donoho).

    Detail is that of the Haar wavelet, (a - b - c + d) / 2 in squares of 2x2 pixels. Fine texture counts as noise.
    """
    height, width = (side // 2 * 2 for side in luma.shape)
    if not height or not width:
        return 0.0
    cut = luma[:height, :width]
    diagonal = (cut[::2, ::2] - cut[::2, 1::2] - cut[1::2, ::2] + cut[1::2, 1::2]) / 2
    return float(np.median(np.abs(diagonal)) / 0.6745)


def blockiness(luma: np.ndarray) -> float:
    """Mean step across the borders of 8x8 blocks over the mean step elsewhere; 1 without blocks.

    Blocks begin in the upper left corner, so a picture cut from another hides its own unless cut on the grid.
    """
    ratios = []
    for axis in (0, 1):
        steps = np.abs(np.diff(luma, axis=axis)).mean(1 - axis)
        border = np.arange(len(steps)) % BLOCK == BLOCK - 1
        if border.any() and steps[~border].any():
            ratios.append(float(steps[border].mean() / steps[~border].mean()))
    return sum(ratios) / len(ratios) if ratios else 1.0


def high_frequency(luma: np.ndarray) -> float:
    """Share of the spectrum's energy at 0.25 cycles per pixel and above, 0 to 1, without the mean.

    A Hann window keeps the jump between opposite edges out of the spectrum.
    """
    window = np.hanning(luma.shape[0] + 2)[1:-1, None] * np.hanning(luma.shape[1] + 2)[1:-1]
    windowed = (luma - (luma * window).sum() / window.sum()) * window
    energy = np.abs(np.fft.fft2(windowed)) ** 2
    total = energy.sum()
    radius = np.hypot(np.fft.fftfreq(luma.shape[0])[:, None], np.fft.fftfreq(luma.shape[1]))
    return float(energy[radius >= HIGH].sum() / total) if total > 1e-6 * luma.size else 0.0


def colourfulness(picture: np.ndarray) -> float:
    """Spread and distance from grey of the two opponent colours, levels (Hasler and Suesstrunk, 2003).

    Args:
        picture: uint8 (h, w, 3) RGB.
    """
    red, green, blue = np.moveaxis(picture.astype(np.float32), 2, 0)
    across, along = red - green, (red + green) / 2 - blue
    return float(np.hypot(across.std(), along.std()) + 0.3 * np.hypot(across.mean(), along.mean()))
