"""Published ranges of the second-order degradation, as a table."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from records.errors import UserError

_KEY = "data.init_args.degradation.init_args.ranges"
Range = tuple[float, float]
PresetName = Literal["realesrgan", "pisasr", "kwai"]

KERNEL_SIZES = tuple(range(7, 22, 2))
KERNELS = {
    "iso": 0.45,
    "aniso": 0.25,
    "generalized_iso": 0.12,
    "generalized_aniso": 0.03,
    "plateau_iso": 0.12,
    "plateau_aniso": 0.03,
}
RESIZERS = ("area", "bilinear", "bicubic")


@dataclass(frozen=True)
class Order:
    """Ranges of one of the two rounds of blur, resizing, noise and compression.

    Args:
        blur: Probability of the blur.
        sigma: Width of a blur kernel, pixels.
        up: Probability of enlarging; what ``up`` and ``down`` leave keeps the size.
        down: Probability of shrinking.
        factor: Range of the resize factor; enlarging draws above 1, shrinking below.
        gaussian: Standard deviation of Gaussian noise, in 8-bit levels.
        poisson: Factor on Poisson noise.
        jpeg: JPEG quality.
    """

    blur: float
    sigma: Range
    up: float
    down: float
    factor: Range
    gaussian: Range
    poisson: Range
    jpeg: Range


@dataclass(frozen=True)
class Preset:
    """Everything that draws depend on; the defaults are what all published settings share.

    Args:
        first: Ranges of the first round.
        second: Ranges of the second; its sizes are relative to the low-resolution picture.
        sharpen: Degrade a sharpened copy of the picture.
        sinc: Probability of a sinc kernel in place of the others, in both rounds.
        beta_generalized: Exponent of generalized Gaussian kernels, half of the draws below 1.
        beta_plateau: Exponent of plateau kernels, half of the draws at the lower end.
        gaussian: Probability of Gaussian noise; otherwise it is Poisson noise.
        grey: Probability of the same noise in all channels.
        last_sinc: Probability of the final sinc filter.
        jpeg_last: Probability of the last JPEG after the last resize, not before it.
        codec: Probability of a passage through a video codec before the last JPEG.
        crf: Constant rate factor of that passage.
        inter: Probability that such a picture is predicted from shifted copies of itself.
    """

    first: Order
    second: Order
    sharpen: bool = False
    sinc: float = 0.1
    beta_generalized: Range = (0.5, 4.0)
    beta_plateau: Range = (1.0, 2.0)
    gaussian: float = 0.5
    grey: float = 0.4
    last_sinc: float = 0.8
    jpeg_last: float = 0.5
    codec: float = 0.0
    crf: Range = (23.0, 40.0)
    inter: float = 0.5


# Fidelity: published. Option files of Real-ESRGAN x4 and its network without a discriminator.
_REALESRGAN = Preset(
    first=Order(1.0, (0.2, 3.0), 0.2, 0.7, (0.15, 1.5), (1.0, 30.0), (0.05, 3.0), (30.0, 95.0)),
    second=Order(0.8, (0.2, 1.5), 0.3, 0.4, (0.3, 1.2), (1.0, 25.0), (0.05, 2.5), (30.0, 95.0)),
    sharpen=True,
)
# Fidelity: published. Parameter files of PiSA-SR, which SRlab uses as well.
_PISASR = Preset(
    first=Order(1.0, (0.2, 3.0), 0.2, 0.7, (0.3, 1.5), (1.0, 15.0), (0.05, 2.0), (60.0, 95.0)),
    second=Order(0.5, (0.2, 1.5), 0.3, 0.4, (0.6, 1.2), (1.0, 12.0), (0.05, 1.0), (60.0, 100.0)),
)
PRESETS: dict[str, Preset] = {
    "realesrgan": _REALESRGAN,
    "pisasr": _PISASR,
    # Fidelity: reading. Short videos reach the viewer through a codec, which no published setting imitates.
    "kwai": replace(_PISASR, codec=0.5),
}


def with_ranges(preset: Preset, ranges: dict[str, Range]) -> Preset:
    """A preset with some of its ranges replaced.

    Args:
        preset: The table to begin from.
        ranges: ``(low, high)`` by name: ``crf``, ``first.jpeg``, ``second.sigma`` and the like.

    Raises:
        UserError: No such range, or an empty one.
    """
    for name, (low, high) in ranges.items():
        head, _, tail = name.rpartition(".")
        holder: Any = getattr(preset, head, None) if head else preset
        if not isinstance(getattr(holder, tail, None), tuple):
            mend = "write crf, first.jpeg, second.sigma ..."
            raise UserError(f"{name!r} is no range of the degradation", where=_KEY, mend=mend)
        if not 0 <= low <= high:
            mend = "give two numbers, the lower one first"
            raise UserError(f"{name!r} is from {low:g} to {high:g}", where=_KEY, mend=mend)
        changed: Any = replace(holder, **{tail: (float(low), float(high))})
        preset = replace(preset, **{head: changed}) if head else changed
    return preset
