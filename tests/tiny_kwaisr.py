"""A KwaiSR in miniature, made in a moment: coloured shapes as pairs and as wild images without truth."""

from pathlib import Path

import numpy as np

from records.images import write_image


def write_tiny_kwaisr(
    root: Path, train: int = 4, val: int = 2, test: int = 2, wild: int = 2, scale: int = 4, size: int = 96
) -> Path:
    """Write images in KwaiSR's layout: ``<split>/synthetic/{lr,hr}/NAME.png`` and ``<split>/wild/NAME.png``.

    Args:
        root: Folder to fill.
        train: Training pairs.
        val: Validation pairs; 0 writes no validation split.
        test: Test pairs; 0 writes no test split.
        wild: Wild images of every split that is written, ``size // 2`` high and 5 pixels wider, an odd width.
        scale: HR sides over LR sides.
        size: Sides of HR, pixels, cut down to a multiple of ``scale``.

    Returns:
        ``root``.
    """
    side = size // scale * scale
    for split, count in (("train", train), ("val", val), ("test", test)):
        for number in range(count):
            name, hr = f"{number + 1:04d}.png", picture(f"{split} {number}", side, side)
            write_image(root / split / "synthetic" / "hr" / name, hr)
            write_image(root / split / "synthetic" / "lr" / name, worsened(hr, scale))
        for number in range(wild if count else 0):
            shot = worsened(picture(f"{split} wild {number}", size // 2 * 2, (size // 2 + 5) * 2), 2)
            write_image(root / split / "wild" / f"{number + 1:04d}.png", shot)
    return root


def picture(name: str, height: int, width: int) -> np.ndarray:
    """Gradients, discs and stripes that follow from ``name``, uint8 (height, width, 3): edges as well as flat parts."""
    generator = np.random.default_rng(list(name.encode()))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    image = np.zeros((height, width, 3), np.float32)
    for channel in range(3):
        slope = generator.uniform(-1, 1, 2)
        image[:, :, channel] = 128 + 60 * (slope[0] * y / height + slope[1] * x / width)
    for _ in range(6):
        top, left = generator.uniform(0, height), generator.uniform(0, width)
        radius, colour = generator.uniform(0.08, 0.3) * min(height, width), generator.uniform(0, 255, 3)
        image[(y - top) ** 2 + (x - left) ** 2 < radius**2] = colour
    angle, period = generator.uniform(0, np.pi), generator.uniform(5, 9)
    stripes = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    image += 25 * stripes[:, :, None] * (x > width / 2)[:, :, None]
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def worsened(image: np.ndarray, scale: int, noise: float = 4.0) -> np.ndarray:
    """Mean of blocks of ``scale`` pixels with noise of ``noise`` grey levels that follows from the image."""
    height, width = image.shape[0] // scale, image.shape[1] // scale
    blocks = image[: height * scale, : width * scale].reshape(height, scale, width, scale, 3).mean((1, 3))
    generator = np.random.default_rng(int(image.sum()))
    return np.clip(np.rint(blocks + generator.normal(0, noise, blocks.shape)), 0, 255).astype(np.uint8)
