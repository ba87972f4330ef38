"""Video Swin Transformer with the gated position bias of FAST-VQA.

Liu et al.: Video Swin Transformer (2021); Wu et al.: FAST-VQA (2022). Two tokens of a mosaic of fragments may lie side
by side and yet show places far apart in the scene. So a window layer has two tables of position biases, and a gate per
pair of tokens mixes them: B = f + g (r - f), with g = 0 within a fragment. Across fragments the paper has g = 1; the
published code, and therefore the published weights, have g = the number of fragments between the two, down plus across.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.swin_transformer import SwinTransformerBlock
from torchvision.models.video.swin_transformer import (
    ShiftedWindowAttention3d,
    SwinTransformer3d,
    shifted_window_attention_3d,
)

WINDOW = (8, 7, 7)  # tokens: time, height, width
PATCH = (2, 4, 4)  # pixels of a token
HEAD = 32  # features of an attention head


class GatedWindowAttention(ShiftedWindowAttention3d):
    """Window attention with a second table of position biases, for pairs of tokens within one fragment.

    Args:
        grid: Fragments from top to bottom and from left to right of the view.
        arguments: As torchvision's attention takes them.
        options: Likewise.
    """

    def __init__(self, *arguments: Any, grid: tuple[int, int], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.grid = grid
        self.fragment_position_bias_table = nn.Parameter(torch.empty_like(self.relative_position_bias_table))
        nn.init.trunc_normal_(self.fragment_position_bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, time, height, width, channels) to the same shape."""
        size = x.shape[1:4]
        # A window that covers an axis shrinks to it and does not shift along it, as in the layer without a gate.
        window = [min(each, most) for each, most in zip(size, self.window_size, strict=True)]
        shift = [0 if window[axis] == size[axis] else self.shift_size[axis] for axis in range(3)]
        return shifted_window_attention_3d(
            x,
            self.qkv.weight,
            self.proj.weight,
            self._bias(size, window, shift).repeat(len(x), 1, 1, 1),
            window,
            self.num_heads,
            shift_size=shift,
            attention_dropout=self.attention_dropout,
            dropout=self.dropout,
            qkv_bias=self.qkv.bias,
            proj_bias=self.proj.bias,
            training=self.training,
        )

    def _bias(self, size: Sequence[int], window: list[int], shift: list[int]) -> Tensor:
        """Position bias of every window of one clip, (windows, heads, tokens, tokens)."""
        index = self.relative_position_index.view(*self.window_size, *self.window_size)
        index = index[: window[0], : window[1], : window[2], : window[0], : window[1], : window[2]].flatten()
        tokens = window[0] * window[1] * window[2]
        across, within = (
            table[index].view(tokens, tokens, -1).permute(2, 0, 1)
            for table in (self.relative_position_bias_table, self.fragment_position_bias_table)
        )
        gate = fragment_distance(size, window, shift, self.grid, across.device).to(across.dtype)
        return torch.lerp(within, across, gate.unsqueeze(1))


def fragment_distance(
    size: Sequence[int], window: Sequence[int], shift: Sequence[int], grid: tuple[int, int], device: torch.device
) -> Tensor:
    """Number of fragments between each two tokens of each window, down plus across.

    Args:
        size: Tokens along time, height, width.
        window: Tokens of a window along each.
        shift: By how many tokens the windows are shifted along each.
        grid: Fragments along height and width; all frames have the same ones.
        device: Where to make it.

    Returns:
        (windows, tokens of a window, tokens of a window), integers; windows and tokens time first, then row by row.
    """
    counts = [-(-length // step) for length, step in zip(size, window, strict=True)]
    rows, columns = (
        # What pads the last window counts to the last fragment.
        (torch.arange(count * step, device=device) * cells // length).clamp(max=cells - 1).roll(-by).view(count, step)
        for length, count, step, by, cells in zip(size[1:], counts[1:], window[1:], shift[1:], grid, strict=True)
    )
    down = (rows[:, :, None] - rows[:, None, :]).abs()  # (windows, tokens, tokens) of one axis
    right = (columns[:, :, None] - columns[:, None, :]).abs()
    plane = down[:, None, :, None, :, None] + right[None, :, None, :, None, :]
    time, (height, width) = window[0], window[1:]
    plane = plane.reshape(1, -1, 1, height * width, 1, height * width)
    whole = plane.expand(counts[0], -1, time, -1, time, -1)
    return whole.reshape(counts[0] * plane.shape[1], time * height * width, time * height * width)


class Swin3D(nn.Module):
    """The trunk, without a classifier.

    Args:
        width: Channels of the first stage, a multiple of 32; each further stage has twice as many.
        depths: Blocks of each stage.
        grid: Fragments along height and width of the view, for the gated bias in all stages but the last; None leaves
            torchvision's plain layers.
        drop_path: Probability of leaving out the last residual block in training, less for those before it.
    """

    def __init__(
        self,
        width: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        grid: tuple[int, int] | None = (7, 7),
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        last = width * 2 ** (len(depths) - 1)

        def block(channels: int, heads: int, **options: Any) -> nn.Module:
            if grid is not None and channels < last:
                options["attn_layer"] = partial(GatedWindowAttention, grid=grid)
            return SwinTransformerBlock(channels, heads, **options)

        whole = SwinTransformer3d(
            patch_size=list(PATCH),
            embed_dim=width,
            depths=list(depths),
            num_heads=[width * 2**stage // HEAD for stage in range(len(depths))],
            window_size=list(WINDOW),
            stochastic_depth_prob=drop_path,
            block=block,
        )
        self.patch_embed, self.features, self.norm = whole.patch_embed, whole.features, whole.norm
        self.width = last

    def forward(self, clips: Tensor) -> Tensor:
        """Map (clips, 3, time, height, width), normalised, to (clips, time / 2, height / 32, width / 32, features)."""
        return self.norm(self.features(self.patch_embed(clips)))


def fastvqa_name(name: str) -> str:
    """Name in FAST-VQA's file of a tensor of ``Swin3D``."""
    if name.startswith("features."):
        _, place, rest = name.split(".", 2)
        stage = f"layers.{int(place) // 2}"
        if int(place) % 2:  # between two stages
            name = f"{stage}.downsample.{rest}"
        else:
            name = f"{stage}.blocks.{rest}".replace("mlp.0.", "mlp.fc1.").replace("mlp.3.", "mlp.fc2.")
    return f"fragments_backbone.{name}"


def plain_name(name: str) -> str:
    """Name in torchvision's file, which has one table a layer: it begins both."""
    return re.sub("fragment_position_bias_table$", "relative_position_bias_table", name)
