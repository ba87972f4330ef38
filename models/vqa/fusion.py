"""From the tokens of several branches to one set of tokens."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Fusion(nn.Module, ABC):
    """Joins branches; the network calls ``build`` once with their widths and reads ``width`` after it."""

    width: int

    @abstractmethod
    def build(self, widths: dict[str, int]) -> None:
        """Make the layers for branches of these widths."""

    @abstractmethod
    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """Tokens of each branch, (batch, tokens of the branch, its width), to (batch, tokens, width)."""


class ConcatFusion(Fusion):
    """Mean token of each branch, concatenated to one token."""

    def build(self, widths: dict[str, int]) -> None:
        """Add up the widths."""
        self.width = sum(widths.values())

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """See :class:`Fusion`."""
        return torch.cat([each.mean(1, keepdim=True) for each in tokens.values()], 2)
