"""SlowFast, a network of two ways through a clip: few frames and many channels, many frames and few channels.

Feichtenhofer, Fan, Malik, He: SlowFast Networks for Video Recognition (2019). ResNet-50, 8x8: the slow way sees every
fourth frame of the fast one's 32 and has eight times its channels. Tensors are those of PyTorchVideo's
``SLOWFAST_8x8_R50``; ``published_name`` tells what each is called there.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

ALPHA = 4  # frames of the fast way for one of the slow way
RATIO = 8  # channels of the slow way for one of the fast way
DEPTHS = (3, 4, 6, 3)
LEFT_OUT = r"blocks\.6\.proj\."  # the classifier


class Pathway(nn.Module):
    """One way: a stem and four stages of bottleneck blocks, the last three of which halve the frames' sides.

    Args:
        width: Channels of the stem.
        depths: Blocks of each stage.
        stem_time: Frames that the stem's kernel spans.
        times: Frames that the first kernel of a block spans, for each stage.
        lateral: Channels that come in from the side before each stage, as a multiple of a stage's input.
    """

    def __init__(
        self, width: int, depths: Sequence[int], stem_time: int, times: Sequence[int], lateral: float = 0
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            OrderedDict(
                conv=_conv(3, width, (stem_time, 7, 7), 2),
                norm=nn.BatchNorm3d(width),
                act=nn.ReLU(inplace=True),
                pool=nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            )
        )
        self.stages = nn.ModuleList()
        inputs = width
        for stage, (depth, time) in enumerate(zip(depths, times, strict=False)):
            inner, outputs = width * 2**stage, 4 * width * 2**stage
            first = Bottleneck(inputs + int(inputs * lateral), inner, outputs, time, stride=2 if stage else 1)
            others = (Bottleneck(outputs, inner, outputs, time) for _ in range(depth - 1))
            self.stages.append(nn.Sequential(first, *others))
            inputs = outputs
        self.width = inputs
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, clips: Tensor) -> Tensor:
        """Map (clips, 3, time, height, width) to (clips, width, time, height / 32, width / 32)."""
        features = self.stem(clips)
        for stage in self.stages:
            features = stage(features)
        return features


class SlowFast(nn.Module):
    """Both ways, with the lateral convolutions that hand the fast one's features to the slow one before each stage.

    Args:
        width: Channels of the slow way's stem; a multiple of 8.
        depths: Blocks of each stage.
        fast_end: Also compute the fast way's last stage, which only its own output needs.
    """

    def __init__(self, width: int = 64, depths: Sequence[int] = DEPTHS, fast_end: bool = True) -> None:
        super().__init__()
        self.slow = Pathway(width, depths, 1, (1, 1, 3, 3), lateral=2 / RATIO)
        self.fast = fast_pathway(width // RATIO, depths[: None if fast_end else -1])
        widths = [width // RATIO * times for times in (1, *(4 * 2**stage for stage in range(len(depths) - 1)))]
        self.laterals = nn.ModuleList(_Lateral(each) for each in widths)

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Features of clips.

        Args:
            clips: (clips, 3, time, height, width), normalised; time is a multiple of 4.

        Returns:
            Slow (clips, 32 * width) and fast (clips, 4 * width) features, averaged over time and space; the fast ones
            are of the last but one stage where ``fast_end`` is false.
        """
        fast, slow = self.fast.stem(clips), self.slow.stem(clips[:, :, slow_frames(clips.shape[2])])
        for stage, lateral in enumerate(self.laterals):
            slow = self.slow.stages[stage](torch.cat([slow, lateral(fast)], dim=1))
            if stage < len(self.fast.stages):
                fast = self.fast.stages[stage](fast)
        return slow.mean((2, 3, 4)), fast.mean((2, 3, 4))


class Bottleneck(nn.Module):
    """Residual block: shrink the channels over some frames, mix within each frame, grow the channels."""

    def __init__(self, inputs: int, inner: int, outputs: int, time: int, stride: int = 1) -> None:
        super().__init__()
        self.conv_a, self.norm_a = _conv(inputs, inner, (time, 1, 1)), nn.BatchNorm3d(inner)
        self.conv_b, self.norm_b = _conv(inner, inner, (1, 3, 3), stride), nn.BatchNorm3d(inner)
        self.conv_c, self.norm_c = _conv(inner, outputs, (1, 1, 1)), nn.BatchNorm3d(outputs)
        self.shortcut = nn.Sequential()
        if inputs != outputs or stride > 1:
            conv = _conv(inputs, outputs, (1, 1, 1), stride)
            self.shortcut = nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm3d(outputs)))

    def forward(self, features: Tensor) -> Tensor:
        """Map (clips, inputs, time, height, width) to (clips, outputs, time, height / stride, width / stride)."""
        inner = self.norm_a(self.conv_a(features)).relu_()
        inner = self.norm_b(self.conv_b(inner)).relu_()
        return (self.norm_c(self.conv_c(inner)) + self.shortcut(features)).relu_()


class _Lateral(nn.Sequential):
    """Brings features of the fast way to the frame rate of the slow one, with twice the channels."""

    def __init__(self, width: int) -> None:
        conv = nn.Conv3d(width, 2 * width, (7, 1, 1), (ALPHA, 1, 1), (3, 0, 0), bias=False)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        super().__init__(OrderedDict(conv=conv, norm=nn.BatchNorm3d(2 * width), act=nn.ReLU(inplace=True)))


def fast_pathway(width: int = 64 // RATIO, depths: Sequence[int] = DEPTHS) -> Pathway:
    """The fast way, which needs nothing of the slow one."""
    return Pathway(width, depths, 5, (3, 3, 3, 3))


def slow_frames(time: int) -> list[int]:
    """The frames that the slow way sees: a quarter of them, evenly from the first to the last."""
    count = time // ALPHA
    return [step * (time - 1) // max(count - 1, 1) for step in range(count)]


def published_name(name: str) -> str:
    """Name in PyTorchVideo's file of a tensor of ``SlowFast``."""
    part, _, rest = name.partition(".")
    if part == "laterals":
        stage, _, layer = rest.partition(".")
        return f"blocks.{stage}.multipathway_fusion.{layer.replace('conv.', 'conv_fast_to_slow.')}"
    way = ("slow", "fast").index(part)
    if rest.startswith("stem."):
        return f"blocks.0.multipathway_blocks.{way}.{rest.removeprefix('stem.')}"
    _, stage, block, layer = rest.split(".", 3)
    layer = layer.replace("shortcut.", "branch1_") if layer.startswith("shortcut.") else f"branch2.{layer}"
    return f"blocks.{int(stage) + 1}.multipathway_blocks.{way}.res_blocks.{block}.{layer}"


def _conv(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1) -> nn.Conv3d:
    padding = tuple(length // 2 for length in kernel)
    return nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), padding, bias=False)  # type: ignore[arg-type]
