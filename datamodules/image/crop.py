"""Windows of images for training: the same one of LR and HR, turned and mirrored alike."""

from dataclasses import dataclass

import numpy as np

from datamodules.video.draw import Draw


@dataclass(frozen=True)
class Crop:
    """A square window and one of the eight ways to lay it down.

    Args:
        top: First row, pixels.
        left: First column, pixels.
        side: Height and width, pixels.
        mirrored: Exchange left and right.
        turns: Quarter turns to the left after that, 0..3.
    """

    top: int
    left: int
    side: int
    mirrored: bool = False
    turns: int = 0

    @classmethod
    def drawn(cls, draw: Draw, size: tuple[int, int], side: int) -> "Crop":
        """Draw a window, any with the same probability.

        Args:
            draw: Where the numbers come from.
            size: Height and width of the image, pixels.
            side: Side of the window, pixels; an image that is smaller begins at its first pixel.
        """
        down, right = draw.uniform("crop", 2)
        mirror, turn = draw.uniform("orientation", 2)
        top, left = (int(part * (max(whole - side, 0) + 1)) for part, whole in zip((down, right), size, strict=True))
        return cls(top, left, side, mirror < 0.5, int(turn * 4))

    def enlarged(self, scale: int) -> "Crop":
        """The same window of the image with ``scale`` times the sides."""
        return Crop(self.top * scale, self.left * scale, self.side * scale, self.mirrored, self.turns)

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The window of a picture.

        Where the picture ends before the window, it is mirrored with its last pixels repeated: LR and HR then still lie
        on each other, while mirroring at the middle of the last pixel would move them apart by ``scale - 1`` pixels.

        Args:
            picture: uint8 (height, width, channels).

        Returns:
            uint8 (side, side, channels).
        """
        window = picture[self.top : self.top + self.side, self.left : self.left + self.side]
        lacking = [(0, self.side - length) for length in window.shape[:2]]
        if any(after for _, after in lacking):
            window = np.pad(window, (*lacking, (0, 0)), mode="symmetric")
        if self.mirrored:
            window = window[:, ::-1]
        return np.ascontiguousarray(np.rot90(window, self.turns))
