"""Every draw of one degradation as plain values: what a record keeps, and what both executors follow."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Blur:
    """One kernel.

    Args:
        kind: A name of ``presets.KERNELS``, or ``sinc``.
        size: Side of the kernel, pixels, odd.
        sigma_x: Width along the first axis, pixels.
        sigma_y: Width along the second axis, pixels.
        angle: Angle of the first axis, radians.
        beta: Exponent of generalized and plateau kernels.
        cutoff: Cut-off of a sinc kernel, radians per pixel.
    """

    kind: str
    size: int
    sigma_x: float = 0.0
    sigma_y: float = 0.0
    angle: float = 0.0
    beta: float = 1.0
    cutoff: float = 0.0


@dataclass(frozen=True)
class Resize:
    """One resize without antialiasing.

    Args:
        factor: Factor on the sides that the stage relates to.
        mode: ``area``, ``bilinear`` or ``bicubic``.
    """

    factor: float
    mode: str


@dataclass(frozen=True)
class Noise:
    """One layer of noise.

    Args:
        kind: ``gaussian`` or ``poisson``.
        strength: Standard deviation in 8-bit levels, or the factor on Poisson noise.
        grey: The same noise in all channels.
        seed: All of the noise follows from this.
    """

    kind: str
    strength: float
    grey: bool
    seed: int


@dataclass(frozen=True)
class Codec:
    """One passage through a video codec.

    Args:
        kind: ``h264``.
        crf: Constant rate factor.
        shifts: Offsets (down, right), pixels, of the copies that are encoded before the picture; none: an intra frame.
    """

    kind: str
    crf: float
    shifts: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Plan:
    """How one low-resolution picture is made.

    Args:
        size: Height and width of the high-resolution picture.
        scale: Divisor of its sides.
        sharpen: Begin with an unsharp mask.
        blur_1: First kernel, if any.
        resize_1: First resize, relative to ``size``.
        noise_1: First noise.
        jpeg_1: First JPEG quality.
        blur_2: Second kernel, if any.
        resize_2: Second resize, relative to the low-resolution size.
        noise_2: Second noise.
        last_mode: Mode of the resize to the low-resolution size.
        last_sinc: Kernel of the final sinc filter, if any.
        codec: Passage through a video codec, if any, just before the last JPEG.
        jpeg_2: Last JPEG quality.
        jpeg_last: The last JPEG comes after the last resize and the sinc filter, not before them.
    """

    size: tuple[int, int]
    scale: int
    sharpen: bool
    blur_1: Blur | None
    resize_1: Resize
    noise_1: Noise
    jpeg_1: int
    blur_2: Blur | None
    resize_2: Resize
    noise_2: Noise
    last_mode: str
    last_sinc: Blur | None
    codec: Codec | None
    jpeg_2: int
    jpeg_last: bool

    @property
    def lr_size(self) -> tuple[int, int]:
        """Height and width of the low-resolution picture."""
        return self.size[0] // self.scale, self.size[1] // self.scale

    @property
    def size_1(self) -> tuple[int, int]:
        """Height and width after the first resize."""
        return _times(self.size, self.resize_1.factor)

    @property
    def size_2(self) -> tuple[int, int]:
        """Height and width after the second resize."""
        return _times(self.size, self.resize_2.factor / self.scale)

    def record(self) -> dict[str, Any]:
        """The plan as values for JSON, which bring every number back exactly."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Plan":
        """The plan that gave this record.

        Args:
            record: A record, also after a way through JSON.
        """
        parts = dict(record)
        for name in ("blur_1", "blur_2", "last_sinc"):
            parts[name] = parts[name] and Blur(**parts[name])
        for name in ("resize_1", "resize_2"):
            parts[name] = Resize(**parts[name])
        for name in ("noise_1", "noise_2"):
            parts[name] = Noise(**parts[name])
        if parts["codec"]:
            shifts = tuple((down, right) for down, right in parts["codec"]["shifts"])
            parts["codec"] = Codec(**{**parts["codec"], "shifts": shifts})
        return cls(**{**parts, "size": tuple(parts["size"])})


def _times(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, int(size[0] * factor)), max(1, int(size[1] * factor))
