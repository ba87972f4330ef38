"""Fusion: from the tokens of several branches to one sequence of tokens."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Fusion(nn.Module, ABC):
    """Joins branches; the network calls ``build`` once with their widths and reads ``width`` after it.

    Attributes:
        width: Features per joined token.
    """

    width: int

    @abstractmethod
    def build(self, widths: dict[str, int]) -> None:
        """Make the layers.

        Args:
            widths: Branch to features per token.
        """

    @abstractmethod
    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """Join tokens.

        Args:
            tokens: Branch to (batch, tokens of the branch, width of the branch) features.

        Returns:
            (batch, tokens, width) features.
        """


class ConcatFusion(Fusion):
    """Puts the features of all branches side by side, token by token.

    A branch with one token a video repeats it for every token of the others.
    """

    def build(self, widths: dict[str, int]) -> None:
        """Add up the widths."""
        self.width = sum(widths.values())

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """Join tokens; see the base class."""
        counts = {name: each.shape[1] for name, each in tokens.items()}
        most = max(counts.values())
        if not set(counts.values()) <= {1, most}:
            told = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise ValueError(f"branches of different numbers of tokens ({told}) cannot stand side by side")
        return torch.cat([each.expand(-1, most, -1) for each in tokens.values()], dim=2)
