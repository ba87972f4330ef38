"""The block of NAFNet (Chen et al., ECCV 2022): products of halves in place of activation functions."""

import torch
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """Layer norm over the channels of every pixel.

    Args:
        channels: Channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        centred = x - x.mean(dim=1, keepdim=True)
        scale = torch.rsqrt(centred.square().mean(dim=1, keepdim=True) + 1e-6)
        return centred * scale * self.weight[:, None, None] + self.bias[:, None, None]


class LocalMean(nn.Module):
    """Mean over places: over all of them in training, in evaluation over a window no larger than a training crop.

    Attention that was trained on means of crops meets other statistics when it sees the mean of a whole image (Chu et
    al., ECCV 2022). Near the border the window stays inside the image, so the means there repeat the last whole one.

    Args:
        window: Side of the window, pixels of this feature map; None for the mean over all places, always.
    """

    def __init__(self, window: int | None = None) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to (b, c, h, w), or to (b, c, 1, 1) where one window holds everything."""
        if self.training or self.window is None or self.window >= max(x.shape[-2:]):
            return x.mean(dim=(2, 3), keepdim=True)
        for axis in (2, 3):
            x = _running_mean(x, axis, min(self.window, x.shape[axis]))
        return x


class NAFBlock(nn.Module):
    """Two gated residual steps: over space with channel attention, and over channels. At first it changes nothing.

    Args:
        channels: Channels.
        window: Side of the attention's window in evaluation, pixels of this feature map; None for all places.
    """

    def __init__(self, channels: int, window: int | None = None) -> None:
        super().__init__()
        self.spatial = nn.Sequential(
            ChannelNorm(channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels),
        )
        self.attention = nn.Sequential(LocalMean(window), nn.Conv2d(channels, channels, 1))
        self.mix = nn.Conv2d(channels, channels, 1)
        self.widen = nn.Sequential(ChannelNorm(channels), nn.Conv2d(channels, 2 * channels, 1))
        self.narrow = nn.Conv2d(channels, channels, 1)
        self.spatial_scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self.channel_scale = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) to the same."""
        features = _product(self.spatial(x))
        x = x + self.spatial_scale * self.mix(features * self.attention(features))
        return x + self.channel_scale * self.narrow(_product(self.widen(x)))


def _product(x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=1)
    return first * second


def _running_mean(x: Tensor, axis: int, window: int) -> Tensor:
    """Mean of ``window`` neighbours along an axis, the outermost ones repeated to the size of ``x``."""
    # Sums along one axis at a time stay small enough for fp32; in 16 bit they would not.
    total = nn.functional.pad(x.float().cumsum(axis), (1, 0, 0, 0) if axis == 3 else (0, 0, 1, 0))
    count = x.shape[axis] - window + 1
    mean = (total.narrow(axis, window, count) - total.narrow(axis, 0, count)) / window
    before, after = (window - 1) // 2, window // 2
    sides = (before, after, 0, 0) if axis == 3 else (0, 0, before, after)
    return nn.functional.pad(mean, sides, mode="replicate").to(x.dtype)
