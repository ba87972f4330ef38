"""A picture of which tiles of a frame are cut, and why."""

import numpy as np

# Longest side of the picture, pixels: numbers stay legible and a hundred pictures stay small.
SIDE = 1024
_CHOSEN, _PASSED = (64, 255, 96), (255, 255, 255)
# Brightness that is left to what nobody looks at.
_DIM = 0.4


def overlay(rgb: np.ndarray, boxes: np.ndarray, densities: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Draw the grid and its densities over a frame; what no chosen tile covers is dark.

    Args:
        rgb: uint8 (H, W, 3).
        boxes: int (n, 4): top, left, bottom, right of each tile, pixels of ``rgb``.
        densities: float (n,), written at each tile's top left.
        chosen: int (k,), places in ``boxes`` of the tiles that are cut; their outline is green.

    Returns:
        uint8 (h, w, 3), at most 1024 pixels a side, never larger than the frame.
    """
    from PIL import Image, ImageDraw, ImageFont

    seen = np.zeros(rgb.shape[:2], dtype=bool)
    for top, left, bottom, right in boxes[chosen].tolist():
        seen[top:bottom, left:right] = True
    image = Image.fromarray(np.where(seen[..., None], rgb, rgb * _DIM).astype(np.uint8))
    image.thumbnail((SIDE, SIDE))
    scale = image.width / rgb.shape[1], image.height / rgb.shape[0]
    canvas = ImageDraw.Draw(image)
    line = max(1, max(image.size) // 400)
    font = ImageFont.load_default(size=max(10, max(image.size) // 60))
    # The chosen ones last, so that no neighbour's line covers theirs.
    for place in sorted(range(len(boxes)), key=lambda place: place in chosen):
        top, left, bottom, right = boxes[place].tolist()
        x, y = left * scale[0], top * scale[1]
        taken = place in chosen
        corner = (max(x, right * scale[0] - 1), max(y, bottom * scale[1] - 1))
        canvas.rectangle(((x, y), corner), outline=_CHOSEN if taken else _PASSED, width=2 * line if taken else 1)
        words = f"{densities[place]:.2f}"
        canvas.text((x + 3 * line, y + 2 * line), words, fill=_PASSED, font=font, stroke_width=2, stroke_fill=(0, 0, 0))
    return np.asarray(image)
