"""Colours of a generated picture put back to those of its input, on the whole picture at once."""

from typing import Literal

import torch
from torch import Tensor

from models.sr.wavelet import low_band

Method = Literal["wavelet", "adain", "none"]
# Deviation below which a channel counts as flat, and what is left of it is no texture to be stretched.
_FLAT = 1e-3


class ColourFix:
    """What the generator shifted in colour is taken back; equal pictures stay as they are.

    Args:
        method: ``wavelet`` takes the low band from the input and the high band from the result; ``adain`` gives each
            channel the mean and deviation of the input's; ``none`` changes nothing.
        levels: Blurs between the bands of ``wavelet``, from 1; with n the high band reaches about 2^n pixels. Fewer
            take more from the input, its blotches included.
    """

    def __init__(self, method: Method = "wavelet", levels: int = 5) -> None:
        if method not in ("wavelet", "adain", "none"):
            raise ValueError(f"colour fix {method!r} is none of wavelet, adain, none")
        if levels < 1:
            raise ValueError(f"levels {levels} must be at least 1")
        self.method, self.levels = method, levels

    def __call__(self, restored: Tensor, lr: Tensor) -> Tensor:
        """Fix the colours of pictures.

        Args:
            restored: (b, 3, h, w) in [0, 1].
            lr: The input enlarged to the same size, (b, 3, h, w) in [0, 1].

        Returns:
            (b, 3, h, w) in [0, 1].

        Raises:
            ValueError: The sizes differ.
        """
        if self.method == "none":
            return restored
        if restored.shape != lr.shape:
            raise ValueError(f"{tuple(restored.shape)} and {tuple(lr.shape)} are not of one size")
        if self.method == "wavelet":
            # Both bands in one step, since the blur is linear: high(restored) + low(lr).
            return (restored + low_band(lr - restored, self.levels)).clamp(0, 1)
        spread, mean = torch.std_mean(restored, dim=(2, 3), keepdim=True, correction=0)
        wanted, centre = torch.std_mean(lr, dim=(2, 3), keepdim=True, correction=0)
        stretch = torch.where(spread < _FLAT, 1.0, wanted / spread.clamp_min(_FLAT))
        return ((restored - mean) * stretch + centre).clamp(0, 1)

    def facts(self) -> dict[str, object]:
        """Method and levels, as plain values."""
        return {"method": self.method, "levels": self.levels} if self.method == "wavelet" else {"method": self.method}
