"""A picture's features as tokens beside those of the text."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class SemanticAdapter(nn.Module):
    """Turn a map of features into tokens that are appended to the text's.

    Appended token i is ``text_i + gate * (W norm(feature_i) + type)``. With the gate at zero, where it begins, every
    text token stands ``repeats + 1`` times, and attention over equal copies is attention over one of each: the network
    starts as the one without semantics. Tokens that were merely scaled to zero would not do: each takes ``exp(0)`` of
    the softmax. Design of ours in place of SRlab's second cross-attention (arXiv 2504.09887).

    Args:
        channels: Width of the features.
        width: Width of the text tokens.
        repeats: Appended tokens for each text token; the map is averaged down to that many positions.
    """

    def __init__(self, channels: int, width: int, repeats: int = 3) -> None:
        super().__init__()
        if repeats < 1:
            raise ValueError(f"repeats {repeats} must be at least 1")
        self.repeats = repeats
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, width)
        self.kind = nn.Parameter(torch.randn(width) * 0.02)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, text: Tensor, features: Tensor) -> Tensor:
        """Text tokens followed by the picture's.

        Args:
            text: float (batch, tokens, width).
            features: float (batch, channels, rows, columns).

        Returns:
            float (batch, tokens * (1 + repeats), width).
        """
        pooled = functional.adaptive_avg_pool2d(features, grid_of(text.shape[1] * self.repeats))
        seen = self.project(self.norm(pooled.flatten(2).transpose(1, 2))) + self.kind
        return torch.cat([text, text.repeat(1, self.repeats, 1) + self.gate * seen], dim=1)


def grid_of(count: int) -> tuple[int, int]:
    """Rows and columns, as square as they can be, of exactly ``count`` positions.

    >>> grid_of(231), grid_of(16)
    ((11, 21), (4, 4))
    """
    rows = next(rows for rows in range(math.isqrt(count), 0, -1) if count % rows == 0)
    return rows, count // rows
