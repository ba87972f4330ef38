"""Trunks of the perceptual distances, AlexNet and VGG-16 cut into the five slices whose outputs are compared.

Shapes are those of torchvision's networks (LPIPS, Zhang et al., CVPR 2018) and of their shift-tolerant variants
(ST-LPIPS, Ghazanfari et al., ECCV 2022), where every stride is a blur after a dense step (Zhang, ICML 2019).
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

# Channels that each slice gives.
CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}


class Blur(nn.Module):
    """Every second pixel of an image blurred by [1 2 1] x [1 2 1] / 16, behind a reflected border of two pixels.

    Args:
        channels: Channels of the input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        taps = torch.tensor([0.25, 0.5, 0.25])
        kernel = (taps[:, None] * taps).expand(channels, 1, 3, 3)
        self.register_buffer("kernel", kernel.contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to (b, c, (h + 1) // 2 + 1, (w + 1) // 2 + 1), about."""
        x = nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
        return nn.functional.conv2d(x, self.get_buffer("kernel"), stride=2, groups=x.shape[1])


def trunk(net: Literal["alex", "vgg"], *, shift_tolerant: bool) -> nn.ModuleList:
    """Five slices of a trunk with random weights; the output of each is compared, and is what the next one reads.

    Args:
        net: ``alex`` or ``vgg``.
        shift_tolerant: Blur instead of striding.
    """
    slices = (_alex if net == "alex" else _vgg)(shift_tolerant)
    return nn.ModuleList(nn.Sequential(*layers) for layers in slices)


def _alex(tolerant: bool) -> list[list[nn.Module]]:
    first = [nn.Conv2d(3, 64, 11, stride=1 if tolerant else 4, padding=2), *([Blur(64)] if tolerant else [])]
    pool = _pool(3, tolerant)
    return [
        [*first, nn.ReLU()],
        [*pool(64), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()],
        [*pool(192), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()],
        [nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()],
        [nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()],
    ]


def _vgg(tolerant: bool) -> list[list[nn.Module]]:
    pool = _pool(2, tolerant)
    slices: list[list[nn.Module]] = []
    entered = 3
    for channels, depth in zip(CHANNELS["vgg"], (2, 2, 3, 3, 3), strict=True):
        layers = pool(entered) if slices else []
        for _ in range(depth):
            layers += [nn.Conv2d(entered, channels, 3, padding=1), nn.ReLU()]
            entered = channels
        slices.append(layers)
    return slices


def _pool(side: int, tolerant: bool) -> Callable[[int], list[nn.Module]]:
    if tolerant:
        return lambda channels: [nn.MaxPool2d(side, stride=1), Blur(channels)]
    return lambda channels: [nn.MaxPool2d(side, stride=2)]
