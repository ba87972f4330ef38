"""X3D, a network grown from a tiny image network along one axis of a clip at a time.

Feichtenhofer: X3D: Expanding Architectures for Efficient Video Recognition (2020). XS, S and M are one network, read
at 4x160x160, 13x160x160 and 16x224x224; L is 2.3 times as deep. Tensors are those of PyTorchVideo's ``X3D_XS``,
``X3D_S``, ``X3D_M`` and ``X3D_L``; ``published_name`` tells what each is called there.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

DEPTHS = {"x3d_xs": (3, 5, 11, 7), "x3d_s": (3, 5, 11, 7), "x3d_m": (3, 5, 11, 7), "x3d_l": (5, 10, 25, 15)}
LEFT_OUT = r"blocks\.5\.proj\."  # the classifier


class X3D(nn.Module):
    """The trunk: a stem, four stages that halve the frames' sides, a projection.

    Args:
        depths: Blocks of each stage.
        width: Channels of the stem and of the first stage; each further stage has twice as many.
        features: Features of a clip.
    """

    def __init__(self, depths: Sequence[int], width: int = 24, features: int = 2048) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            OrderedDict(
                space=nn.Conv3d(3, width, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
                time=nn.Conv3d(width, width, (5, 1, 1), padding=(2, 0, 0), groups=width, bias=False),
                norm=nn.BatchNorm3d(width),
                act=nn.ReLU(inplace=True),
            )
        )
        self.stages = nn.ModuleList()
        inputs = width
        for stage, depth in enumerate(depths):
            outputs = width * 2**stage
            # Every other block weighs its channels, the first one included.
            self.stages.append(
                nn.Sequential(
                    *(
                        _Block(inputs if block == 0 else outputs, outputs, 1 if block else 2, gated=block % 2 == 0)
                        for block in range(depth)
                    )
                )
            )
            inputs = outputs
        inner = _inner(inputs)
        self.grow, self.norm = nn.Conv3d(inputs, inner, 1, bias=False), nn.BatchNorm3d(inner)
        self.project = nn.Conv3d(inner, features, 1, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, clips: Tensor) -> Tensor:
        """Map (clips, 3, time, height, width), normalised, to (clips, features)."""
        maps = self.stem(clips)
        for stage in self.stages:
            maps = stage(maps)
        pooled = self.norm(self.grow(maps)).relu_().mean((2, 3, 4), keepdim=True)
        return self.project(pooled).relu_().flatten(1)


class _Block(nn.Module):
    """Residual block: grow the channels, convolve each of them over time and space, shrink."""

    def __init__(self, inputs: int, outputs: int, stride: int, gated: bool) -> None:
        super().__init__()
        inner, steps = _inner(outputs), (1, stride, stride)
        self.conv_a, self.norm_a = nn.Conv3d(inputs, inner, 1, bias=False), nn.BatchNorm3d(inner)
        self.conv_b = nn.Conv3d(inner, inner, 3, steps, 1, groups=inner, bias=False)
        self.norm_b = nn.BatchNorm3d(inner)
        self.gate = _Gate(inner) if gated else nn.Sequential()
        self.conv_c, self.norm_c = nn.Conv3d(inner, outputs, 1, bias=False), nn.BatchNorm3d(outputs)
        self.shortcut = nn.Sequential()
        if inputs != outputs or stride > 1:
            self.shortcut.add_module("conv", nn.Conv3d(inputs, outputs, 1, steps, bias=False))
        if inputs != outputs:  # the published stages have no norm here where only the size changes
            self.shortcut.add_module("norm", nn.BatchNorm3d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        inner = self.norm_a(self.conv_a(features)).relu_()
        inner = nn.functional.silu(self.gate(self.norm_b(self.conv_b(inner))))
        return (self.norm_c(self.conv_c(inner)) + self.shortcut(features)).relu_()


class _Gate(nn.Module):
    """Squeeze and excitation: weighs channels by what all of the clip holds; a 16th of the channels inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = _rounded(channels / 16)
        self.shrink, self.grow = nn.Conv3d(channels, inside, 1), nn.Conv3d(inside, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        pooled = self.shrink(features.mean((2, 3, 4), keepdim=True)).relu_()
        return features * self.grow(pooled).sigmoid()


def published_name(name: str) -> str:
    """Name in PyTorchVideo's file of a tensor of ``X3D``."""
    if name.startswith("stem."):
        # The file calls the convolution over space conv_t and the one over time conv_xy.
        return re.sub(r"^stem\.", "blocks.0.", name).replace("space.", "conv.conv_t.").replace("time.", "conv.conv_xy.")
    if not name.startswith("stages."):
        part, _, kind = name.partition(".")
        return f"blocks.5.pool.{ {'grow': 'pre_conv', 'norm': 'pre_norm', 'project': 'post_conv'}[part] }.{kind}"
    _, stage, block, layer = name.split(".", 3)
    start = f"blocks.{int(stage) + 1}.res_blocks.{block}."
    if layer.startswith("shortcut."):
        return start + layer.replace("shortcut.", "branch1_")
    layer = layer.replace("norm_b.", "norm_b.0.")
    return f"{start}branch2." + layer.replace("gate.shrink.", "norm_b.1.block.0.").replace(
        "gate.grow.", "norm_b.1.block.2."
    )


def _inner(channels: int) -> int:
    return int(2.25 * channels)


def _rounded(channels: float) -> int:
    """Nearest multiple of 8, at least 8 and no less than nine tenths."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near if near >= 0.9 * channels else near + 8
