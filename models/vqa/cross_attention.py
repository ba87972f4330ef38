"""Fusion in which one branch asks the others."""

import torch
from torch import Tensor, nn

from models.vqa.fusion import Fusion


class GatedCrossAttention(Fusion):
    """The tokens of one branch look among the tokens of all others for what they lack.

    All branches are brought to one width. What a query token finds is added through a gate that begins at zero, so
    that training begins with the query branch alone; from the second step on the other branches learn too. The others
    are a set: the order of their tokens does not matter, and an embedding tells the branches apart.

    Args:
        query: Branch whose tokens ask, and whose number of tokens the result has.
        width: Features per joined token.
        layers: Layers of cross-attention and feed-forward.
        heads: Attention heads; must divide ``width``.
        ff: Width of the feed-forward part.
        dropout: Probability of dropping a feature in training, 0..1.
    """

    def __init__(
        self, query: str, width: int = 256, layers: int = 1, heads: int = 8, ff: int = 1024, dropout: float = 0.1
    ) -> None:
        super().__init__()
        if min(width, layers, heads, ff) < 1 or width % heads:
            raise ValueError(
                f"layers {layers}, ff {ff} and heads {heads} must be at least 1, heads divide width {width}"
            )
        self.query, self.width = query, width
        self.layers = nn.ModuleList(_CrossLayer(width, heads, ff, dropout) for _ in range(layers))

    def build(self, widths: dict[str, int]) -> None:
        """Make the projections to one width; see the base class."""
        if self.query not in widths:
            raise ValueError(f"query {self.query!r} is no branch; there are {', '.join(widths)}")
        self.others = [name for name in widths if name != self.query]
        if not self.others:
            raise ValueError(f"query {self.query!r} is the only branch; cross-attention needs another one")
        self.projections = nn.ModuleDict({name: nn.Linear(width, self.width) for name, width in widths.items()})
        self.embeddings = nn.Parameter(nn.init.trunc_normal_(torch.empty(len(self.others), self.width), std=0.02))

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """Join tokens; see the base class."""
        told = [
            self.projections[name](tokens[name]) + embedding
            for name, embedding in zip(self.others, self.embeddings, strict=True)
        ]
        asking, asked = self.projections[self.query](tokens[self.query]), torch.cat(told, dim=1)
        for layer in self.layers:
            asking = layer(asking, asked)
        return asking


class _CrossLayer(nn.Module):
    """Pre-norm cross-attention behind a gate, then a pre-norm feed-forward part."""

    def __init__(self, width: int, heads: int, ff: int, dropout: float) -> None:
        super().__init__()
        self.asking_norm, self.asked_norm, self.ff_norm = (nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.gate = nn.Parameter(torch.zeros(width))
        self.ff = nn.Sequential(
            nn.Linear(width, ff), nn.GELU(), nn.Dropout(dropout), nn.Linear(ff, width), nn.Dropout(dropout)
        )

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        asked = self.asked_norm(asked)
        found, _ = self.attention(self.asking_norm(asking), asked, asked, need_weights=False)
        asking = asking + self.gate * found
        return asking + self.ff(self.ff_norm(asking))
