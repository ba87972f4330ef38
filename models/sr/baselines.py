"""Enlargement without diffusion, to be compared with: interpolation, and Real-ESRGAN at any scale."""

from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.sr.real_esrgan import SCALE, Name, load_real_esrgan
from models.sr.resample import upsample

Baseline = Literal["bicubic", "lanczos", "realesrgan"]


class Bicubic(nn.Module):
    """The enlargement that the diffusion begins with, and nothing more."""

    whole = True  # takes no memory but its result's

    def forward(self, lr: Tensor, scale: int) -> Tensor:
        """(b, 3, h, w) in [0, 1] to (b, 3, h * scale, w * scale) in [0, 1]."""
        return upsample(lr, scale)


class Lanczos(nn.Module):
    """Lanczos interpolation over three neighbours on each side, as Pillow does it, in float32."""

    whole = True

    def forward(self, lr: Tensor, scale: int) -> Tensor:
        """(b, 3, h, w) in [0, 1] to (b, 3, h * scale, w * scale) in [0, 1]."""
        height, width = lr.shape[-2:]
        planes = [
            np.asarray(
                Image.fromarray(plane.float().cpu().numpy()).resize(
                    (width * scale, height * scale), Image.Resampling.LANCZOS
                )
            )
            for plane in lr.flatten(0, 1)
        ]
        out = torch.from_numpy(np.stack(planes)).unflatten(0, lr.shape[:2])
        return out.to(lr).clamp(0, 1)


class AnyScale(nn.Module):
    """Real-ESRGAN, which enlarges by 4, shrunk afterwards for scales below (bicubic, antialiased).

    Args:
        name: Which of its networks; see :func:`models.sr.real_esrgan.load_real_esrgan`.
    """

    def __init__(self, name: Name = "animevideov3") -> None:
        super().__init__()
        self.network = load_real_esrgan(name)

    def forward(self, lr: Tensor, scale: int) -> Tensor:
        """(b, 3, h, w) in [0, 1] to (b, 3, h * scale, w * scale) in [0, 1], scale 1 to 4.

        Raises:
            ValueError: The scale is larger.
        """
        if not 1 <= scale <= SCALE:
            raise ValueError(f"Real-ESRGAN enlarges by up to {SCALE}, not by {scale}")
        out = self.network(lr)
        if scale == SCALE:
            return out
        size = (lr.shape[-2] * scale, lr.shape[-1] * scale)
        return interpolate(out, size, mode="bicubic", antialias=True).clamp(0, 1)


def load_baseline(name: Baseline) -> nn.Module:
    """A baseline by name, ready for use.

    Raises:
        ValueError: An unknown name.
        FileNotFoundError: The package with Real-ESRGAN's weights is not installed.
    """
    if name == "bicubic":
        return Bicubic()
    if name == "lanczos":
        return Lanczos()
    if name == "realesrgan":
        return AnyScale()
    raise ValueError(f"no baseline {name!r}; known: {', '.join(get_args(Baseline))}")
