"""Fusion to one token per video that weighs the tokens of a branch."""

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from models.vqa.fusion import Fusion


class AttentionPool(Fusion):
    """Pools some branches with attention and the others with the mean, side by side in one token.

    A learned query scores every token of a branch, head by head, and the token's features are averaged with the
    softmax of the scores. The query begins at zero, which is the mean.

    Args:
        branches: Branches to pool with attention; give those of several tokens, since one token alone leaves its query
            nothing to learn.
        heads: Groups of features with weights of their own; must divide the width of these branches.
    """

    def __init__(self, branches: list[str], heads: int = 8) -> None:
        super().__init__()
        if not branches or heads < 1:
            raise ValueError(f"branches {branches} must name a branch and heads {heads} be at least 1")
        self.branches, self.heads = branches, heads

    def build(self, widths: dict[str, int]) -> None:
        """Make a query for each of the branches; see the base class."""
        for name in self.branches:
            if name not in widths:
                raise ValueError(f"branches names {name!r}, and there are {', '.join(widths)}")
            if widths[name] % self.heads:
                raise ValueError(f"{self.heads} heads do not divide the {widths[name]} features of branch {name!r}")
        self.queries = nn.ParameterDict(
            {name: torch.zeros(self.heads, widths[name] // self.heads) for name in self.branches}
        )
        self.width = sum(widths.values())

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """One token per video; see the base class."""
        pooled = [
            self._weighed(each, self.queries[name]) if name in self.branches else each.mean(dim=1)
            for name, each in tokens.items()
        ]
        return torch.cat(pooled, dim=-1)[:, None]

    def _weighed(self, tokens: Tensor, query: Tensor) -> Tensor:
        # Scores of normalised features: a trunk's scale must not decide how sharp its weights are.
        keys = layer_norm(tokens, tokens.shape[-1:]).unflatten(-1, query.shape)
        scores = torch.einsum("bthd,hd->bth", keys, query) / query.shape[1] ** 0.5
        values = tokens.unflatten(-1, query.shape)
        return torch.einsum("bth,bthd->bhd", scores.softmax(dim=1), values).flatten(1)
