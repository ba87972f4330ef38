"""From tokens to one score in label units."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Head(nn.Module, ABC):
    """Scores tokens; the network calls ``build`` once with their width.

    Its inner score is standardised; ``label_mean`` and ``label_sd`` turn it into label units, so a fresh head starts at
    the labels' mean and losses in label units are well scaled.
    """

    label_mean: Tensor
    label_sd: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("label_mean", torch.zeros(()))
        self.register_buffer("label_sd", torch.ones(()))

    @abstractmethod
    def build(self, width: int) -> None:
        """Make the layers for tokens of ``width`` numbers."""

    @abstractmethod
    def score(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, tokens, width) to standardised scores (batch,)."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (batch, tokens, width) to scores (batch,) in label units, float32."""
        return self.score(tokens).float() * self.label_sd + self.label_mean


class TemporalEncoderHead(Head):
    """Pre-norm transformer encoder over the tokens, mean over time, one linear layer.

    Args:
        layers: Encoder layers.
        heads: Attention heads.
        ff: Width of the feed-forward part.
        dropout: Dropout rate in training, 0..1.
    """

    def __init__(self, layers: int = 1, heads: int = 8, ff: int = 2048, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers, self.heads, self.ff, self.dropout = layers, heads, ff, dropout

    def build(self, width: int) -> None:
        """Make encoder and linear layer."""
        if width % self.heads:
            raise ValueError(f"tokens of {width} numbers cannot be shared among {self.heads} attention heads")
        layer = nn.TransformerEncoderLayer(
            width, self.heads, self.ff, self.dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, self.layers, enable_nested_tensor=False)
        self.linear = nn.Linear(width, 1)

    def score(self, tokens: Tensor) -> Tensor:
        """See :class:`Head`."""
        return self.linear(self.encoder(tokens).mean(1)).squeeze(1)


class MLPHead(Head):
    """Norm, linear, GELU, dropout, linear on each token, then the mean of the tokens' scores.

    Args:
        hidden: Width of the hidden layer.
        dropout: Dropout rate in training, 0..1.
    """

    def __init__(self, hidden: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        self.hidden, self.dropout = hidden, dropout

    def build(self, width: int) -> None:
        """Make the layers."""
        self.net = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, self.hidden),
            nn.GELU(),
            nn.Dropout(self.dropout),
            nn.Linear(self.hidden, 1),
        )

    def score(self, tokens: Tensor) -> Tensor:
        """See :class:`Head`."""
        return self.net(tokens).squeeze(2).mean(1)
