"""Fusion: from the tokens of several branches to one sequence of tokens."""

from abc import ABC, abstractmethod
from typing import Literal

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
        # Under fvcore's tracing a size is a tensor.
        counts = {name: int(each.shape[1]) for name, each in tokens.items()}
        most = max(counts.values())
        if not set(counts.values()) <= {1, most}:
            told = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise ValueError(f"branches of different numbers of tokens ({told}) cannot stand side by side")
        return torch.cat([each.expand(-1, most, -1) for each in tokens.values()], dim=2)


class PooledConcat(Fusion):
    """Averages the tokens of every branch and puts the averages side by side in one token per video.

    Args:
        pool: ``mean``, or ``mean_std`` to add the standard deviation over the tokens of a branch, which tells a steady
            video from one that is bad at times; a mapping chooses for some branches, and the others take ``mean``.
    """

    def __init__(self, pool: Literal["mean", "mean_std"] | dict[str, Literal["mean", "mean_std"]] = "mean") -> None:
        super().__init__()
        self.pool = pool

    def build(self, widths: dict[str, int]) -> None:
        """Add up the pooled widths; see the base class."""
        if isinstance(self.pool, dict) and (strangers := set(self.pool) - set(widths)):
            raise ValueError(f"pool names {', '.join(sorted(strangers))}, and the branches are {', '.join(widths)}")
        self.width = sum(width * (1 + self._adds_std(name)) for name, width in widths.items())

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """One token per video; see the base class."""
        pooled = []
        for name, each in tokens.items():
            pooled.append(each.mean(dim=1))
            if self._adds_std(name):
                if each.shape[1] == 1:
                    raise ValueError(f"branch {name!r} has one token, which has no standard deviation; pool it by mean")
                # The slope of a bare square root is infinite where all tokens agree.
                pooled.append((each.float().var(dim=1, correction=0) + 1e-6).sqrt().to(each.dtype))
        return torch.cat(pooled, dim=-1)[:, None]

    def _adds_std(self, branch: str) -> bool:
        return (self.pool.get(branch) if isinstance(self.pool, dict) else self.pool) == "mean_std"
