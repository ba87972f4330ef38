"""A trunk of state-space blocks that reads all frames of a video as one sequence, in both directions."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from models.vqa.branch import Branch
from models.vqa.ssm import ssd_scan

_CONV = 4  # steps that the depthwise convolution before a scan sees


class BiSSMVideo(Branch):
    """One token per video, or per frame, from a bidirectional state-space model over patches.

    Patches of all frames stand in one sequence, frame by frame, so that cost grows with their number and not with its
    square: 12.3 GMACs for 8 frames of 224 pixels, 9.2 of them in projections and convolutions. A reading of the
    VideoMamba branch: that is published with another scan, and with a class token, which a forward scan alone does not
    reach; here the token is a mean. No weights are published for this one.

    Args:
        depth: Blocks: 24 for the size that VideoMamba calls tiny, 8 for a light branch.
        width: Features per token; twice that within a block.
        frames: Frames of the learned temporal positions; views of another length get interpolated ones.
        size: Height and width in pixels of the learned spatial positions; other sizes get interpolated ones.
        patch: Height and width of a patch in pixels; must divide those of the view.
        head_width: Features that share one decay; must divide ``2 * width``.
        state: Values that each of these features remembers.
        tokens: ``video`` averages all patches, ``frames`` those of each frame.
    """

    def __init__(
        self,
        depth: int = 24,
        width: int = 192,
        frames: int = 8,
        size: int = 224,
        patch: int = 16,
        head_width: int = 64,
        state: int = 16,
        tokens: Literal["video", "frames"] = "video",
    ) -> None:
        super().__init__()
        if min(depth, width, frames, patch, head_width, state) < 1 or size % patch or size < patch:
            raise ValueError(f"size {size} must be a multiple of patch {patch}, and every other number at least 1")
        if 2 * width % head_width:
            raise ValueError(f"head_width {head_width} does not divide the {2 * width} features of a block")
        self.width, self.patch, self.tokens = width, patch, tokens
        side = size // patch
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.spatial = nn.Parameter(nn.init.trunc_normal_(torch.empty(side, side, width), std=0.02))
        self.temporal = nn.Parameter(nn.init.trunc_normal_(torch.empty(frames, width), std=0.02))
        self.blocks = nn.ModuleList(_Block(width, head_width, state, depth) for _ in range(depth))
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.register_buffer("mean", 255 * torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("sd", 255 * torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)
        self.mean: Tensor
        self.sd: Tensor

    def forward(self, view: Tensor) -> Tensor:
        """One token per video or per frame; see the base class."""
        maps = self.patches((view.flatten(0, 1) - self.mean) / self.sd).unflatten(0, view.shape[:2])
        places = maps.movedim(2, -1)  # (batch, time, rows, columns, width)
        time, rows, columns = places.shape[1:4]
        spatial = resampled(resampled(self.spatial, rows).transpose(0, 1), columns).transpose(0, 1)
        sequence = (places + spatial + resampled(self.temporal, time)[:, None, None]).flatten(1, 3)
        for block in self.blocks:
            sequence = block(sequence)
        frames = self.norm(sequence).unflatten(1, (time, -1)).mean(dim=2)
        return frames if self.tokens == "frames" else frames.mean(dim=1, keepdim=True)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse frames that patches do not fill; see the base class."""
        super().check(shape)
        if shape[2] % self.patch or shape[3] % self.patch:
            raise ValueError(f"reads frames of multiples of {self.patch} pixels, not of {shape[2]}x{shape[3]}")


class _Block(nn.Module):
    """Residual block: norm, gate and values, a scan in each direction, their gated sum."""

    def __init__(self, width: int, head_width: int, state: int, depth: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.expand = nn.Linear(width, 4 * width, bias=False)
        self.ahead = _Direction(width, head_width, state)
        self.back = _Direction(width, head_width, state)
        self.reduce = nn.Linear(2 * width, width, bias=False)
        # The sum of all blocks keeps its scale whatever the depth.
        nn.init.normal_(self.reduce.weight, std=1 / math.sqrt(2 * width * depth))

    def forward(self, sequence: Tensor) -> Tensor:
        hidden = self.norm(sequence)
        values, gate = self.expand(hidden).chunk(2, dim=-1)
        both = self.ahead(hidden, values) + self.back(hidden.flip(1), values.flip(1)).flip(1)
        return sequence + self.reduce(both * silu(gate))


class _Direction(nn.Module):
    """What one scan needs of its own: where to write and read, how fast to forget, a short convolution before it."""

    def __init__(self, width: int, head_width: int, state: int) -> None:
        super().__init__()
        heads = 2 * width // head_width
        self.split, self.heads = [2 * width, state, state], heads
        self.signals = nn.Linear(width, 2 * state + heads, bias=False)
        channels = sum(self.split)
        self.conv = nn.Conv1d(channels, channels, _CONV, padding=_CONV - 1, groups=channels)
        # Mamba's beginning: steps from 0.001 to 0.1, rates from 1 to 16, each head at a pace of its own.
        steps = torch.empty(heads).uniform_(math.log(1e-3), math.log(1e-1)).exp()
        self.step_bias = nn.Parameter(steps.expm1().log())
        self.log_rate = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.skip = nn.Parameter(torch.ones(heads))

    def forward(self, hidden: Tensor, values: Tensor) -> Tensor:
        signals, step = self.signals(hidden).split([sum(self.split[1:]), self.heads], dim=-1)
        mixed = self.conv(torch.cat([values, signals], dim=-1).mT)[..., : hidden.shape[1]].mT
        values, write, read = silu(mixed).split(self.split, dim=-1)
        values, step = values.unflatten(-1, (self.heads, -1)), softplus(step + self.step_bias)
        scanned = ssd_scan(values * step[..., None], -step * self.log_rate.exp(), write, read)
        return (scanned + values * self.skip[:, None]).flatten(2)


def resampled(table: Tensor, length: int) -> Tensor:
    """Interpolate a table of positions along its first axis, linearly, between the middles of its steps.

    A matrix product and no ``interpolate``, so that its cost is counted like everything else.

    Args:
        table: (steps, ...).
        length: Steps to make; as many as there are leaves the table as it is.
    """
    steps = table.shape[0]
    if steps == length:
        return table
    here, there = (torch.arange(each, device=table.device, dtype=table.dtype) for each in (steps, length))
    places = ((there + 0.5) * (steps / length) - 0.5).clamp(0, steps - 1)
    weights = (1 - (places[:, None] - here).abs()).clamp(min=0)
    return torch.tensordot(weights, table, dims=1)
