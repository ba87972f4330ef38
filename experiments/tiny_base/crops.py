"""Crops of photographs, clean and degraded, that the tiny base learns from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from records.errors import UserError
from records.hashing import seed_of
from records.images import find_images, read_image, to_tensor


@dataclass(frozen=True)
class Photographs:
    """Photographs in memory, drawn from by area.

    Args:
        pictures: uint8 (h, w, 3) each.
    """

    pictures: list[np.ndarray]

    @classmethod
    def read(cls, folder: Path, side: int) -> "Photographs":
        """All pictures below a folder that hold a crop.

        Raises:
            UserError: There is none.
        """
        pictures = [read_image(path) for path in find_images(folder)]
        pictures = [picture for picture in pictures if min(picture.shape[:2]) >= side]
        if not pictures:
            mend = "run `python -m experiments prepare mini-kwaisr --root data/mini-kwaisr` first"
            raise UserError(f"no picture of at least {side} pixels a side", where=str(folder), mend=mend)
        return cls(pictures)

    def crop(self, side: int, random: np.random.Generator) -> np.ndarray:
        """A random crop, turned and mirrored; uint8 (side, side, 3)."""
        areas = np.array([picture.shape[0] * picture.shape[1] for picture in self.pictures], float)
        picture = self.pictures[random.choice(len(areas), p=areas / areas.sum())]
        top, left = (int(random.integers(length - side + 1)) for length in picture.shape[:2])
        cut = np.rot90(picture[top : top + side, left : left + side], int(random.integers(4)))
        return np.ascontiguousarray(cut[:, ::-1] if random.integers(2) else cut)


def clean_and_degraded(photographs: Photographs, count: int, side: int, seed: int) -> tuple[Tensor, Tensor]:
    """Crops, and what bicubic enlargement makes of them after the challenge's kind of degradation.

    Args:
        photographs: What is cut.
        count: Number of crops.
        side: Their side, pixels, a multiple of 4.
        seed: Seed of cuts and degradations.

    Returns:
        Two (count, 3, side, side) uint8 tensors.
    """
    from datamodules.image.degradation import Degradation
    from models.sr.resample import upsample

    degradation = Degradation("kwai", scale=4)
    random = np.random.default_rng(seed_of("tiny base", seed))
    clean, degraded = [], []
    for place in range(count):
        crop = photographs.crop(side, random)
        small = degradation.apply(degradation.plan(seed, 0, str(place), crop.shape[:2]), crop)
        large = upsample(to_tensor(small)[None], 4)[0]
        clean.append(torch.from_numpy(crop).permute(2, 0, 1))
        degraded.append(large.mul(255).round().to(torch.uint8))
    return torch.stack(clean), torch.stack(degraded)


def to_signed(pixels: Tensor) -> Tensor:
    """uint8 pixels to float32 in [-1, 1]."""
    return pixels.float().div(127.5).sub(1)
