"""Heads: from feature tokens to a score in label units."""

from abc import ABC, abstractmethod
from contextlib import nullcontext

import torch
from torch import Tensor, nn


class Head(nn.Module, ABC):
    """Scores tokens; the network calls ``build`` once with their width, so that no configuration repeats it.

    Its inner score is standardised; ``label_mean`` and ``label_sd`` turn it into label units, so that a fresh head
    starts at the labels' mean and losses in label units are well scaled.
    """

    label_mean: Tensor
    label_sd: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Buffers, so that a checkpoint alone predicts in label units.
        self.register_buffer("label_mean", torch.zeros(()))
        self.register_buffer("label_sd", torch.ones(()))

    @abstractmethod
    def build(self, width: int) -> None:
        """Make the layers.

        Args:
            width: Features per token.
        """

    @abstractmethod
    def standardised(self, tokens: Tensor) -> Tensor:
        """Score with mean 0 and standard deviation 1 over the training labels.

        Args:
            tokens: (batch, tokens, width) features.

        Returns:
            (batch,) scores.
        """

    def forward(self, tokens: Tensor) -> Tensor:
        """Score in label units.

        Args:
            tokens: (batch, tokens, width) features.

        Returns:
            (batch,) scores, float32.
        """
        return self.standardised(tokens).float() * self.label_sd.float() + self.label_mean.float()

    def set_label_scale(self, mean: float, sd: float) -> None:
        """Set the mean and standard deviation that predictions are given.

        Args:
            mean: Mean of the training labels.
            sd: Their standard deviation, above 0.
        """
        if not sd > 0:
            raise ValueError(f"the labels' standard deviation must be above 0, not {sd}; all labels are equal")
        self.label_mean.fill_(mean)
        self.label_sd.fill_(sd)


class FullPrecisionLinear(nn.Linear):
    """Linear layer to one value, outside of any autocast: the eight bits of bfloat16 would tie close scores."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (..., width) features to (...) values in the precision of the weights."""
        kind = features.device.type
        # torch knows no autocast on meta tensors.
        with nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False):
            return super().forward(features.to(self.weight.dtype)).squeeze(-1)


class TemporalEncoderHead(Head):
    """Self-attention over the tokens of all frames, their mean, one linear layer.

    Pre-norm encoder layers without positions: the frames of a video are judged as a set.

    Args:
        layers: Encoder layers.
        heads: Attention heads; must divide the features of a token.
        ff: Width of the feed-forward part.
        dropout: Probability of dropping a feature in training, 0..1.
    """

    def __init__(self, layers: int = 1, heads: int = 8, ff: int = 2048, dropout: float = 0.1) -> None:
        super().__init__()
        if min(layers, heads, ff) < 1:
            raise ValueError(f"layers {layers}, heads {heads} and ff {ff} must be at least 1")
        self.options = {"layers": layers, "heads": heads, "ff": ff}
        self.dropout = dropout

    def build(self, width: int) -> None:
        """Make encoder and linear layer; see the base class."""
        heads, ff = self.options["heads"], self.options["ff"]
        if width % heads:
            raise ValueError(f"{heads} attention heads do not divide the {width} features of a token")
        # One by one: nn.TransformerEncoder would begin all its layers with the same weights.
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, ff, self.dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(self.options["layers"])
        )
        self.score = FullPrecisionLinear(width)

    def standardised(self, tokens: Tensor) -> Tensor:
        """Mix the tokens, average them, map to one value; see the base class."""
        for layer in self.encoder:
            tokens = layer(tokens)
        return self.score(tokens.mean(dim=1))


class MLPHead(Head):
    """LayerNorm, Linear, GELU, Dropout and Linear on each token, then the mean of the tokens' scores.

    Args:
        hidden: Width of the hidden layer.
        dropout: Probability of dropping a hidden feature in training, 0..1.
    """

    def __init__(self, hidden: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"hidden must be at least 1, not {hidden}")
        self.width, self.dropout = hidden, dropout

    def build(self, width: int) -> None:
        """Make the layers; see the base class."""
        self.hidden = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, self.width), nn.GELU(), nn.Dropout(self.dropout)
        )
        self.score = FullPrecisionLinear(self.width)

    def standardised(self, tokens: Tensor) -> Tensor:
        """Score each token, average; see the base class."""
        return self.score(self.hidden(tokens)).mean(dim=1)


class LinearHead(Head):
    """Linear and Linear with nothing between them on each token, then the mean of the tokens' scores.

    The head of RQ-VQA, E-VQA and SimpleVQA: one linear map of the features, trained as a product of two.

    Args:
        hidden: Width between the two.
    """

    def __init__(self, hidden: int = 128) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"hidden must be at least 1, not {hidden}")
        self.between = hidden

    def build(self, width: int) -> None:
        """Make the layers; see the base class."""
        self.hidden = nn.Linear(width, self.between)
        self.score = FullPrecisionLinear(self.between)

    def standardised(self, tokens: Tensor) -> Tensor:
        """Score each token, average; see the base class."""
        return self.score(self.hidden(tokens)).mean(dim=1)
