"""A branch that reads the stored rows of frozen experts."""

import torch
from torch import Tensor, nn

from models.vqa.branch import Branch


class ExpertFeatures(Branch):
    """Features of several experts side by side, each brought to one scale.

    Every expert has a layer norm of its own: their raw scales differ a hundredfold, and one with large values would
    drown the others. In training each expert of each video is zeroed with probability ``dropout``, so that no head
    leans on one of them; where all would be, one that is drawn stays. What stays is not scaled up, as evaluation sees
    every expert just as it is.

    Args:
        experts: Expert to its width; the view puts them side by side in the order of their names.
        dropout: Probability of leaving out an expert in training, 0..1.
    """

    def __init__(self, experts: dict[str, int], dropout: float = 0.1) -> None:
        super().__init__()
        if not experts or min(experts.values()) < 1:
            raise ValueError(f"experts {experts} must name at least one, each with a width of at least 1")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {dropout}")
        self.experts, self.dropout = dict(sorted(experts.items())), dropout
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in self.experts.values())
        self.width = sum(experts.values())

    def forward(self, view: Tensor) -> Tensor:
        """Normalise, and in training leave out.

        Args:
            view: (batch, tokens, sum of widths) rows.

        Returns:
            (batch, tokens, sum of widths) features.
        """
        parts = view.float().split(list(self.experts.values()), dim=2)
        normed = [norm(part) for norm, part in zip(self.norms, parts, strict=True)]
        if self.training and self.dropout > 0:
            kept = self._kept(len(view)).to(view.device)
            normed = [part * keep[:, None, None] for part, keep in zip(normed, kept.unbind(1), strict=True)]
        return torch.cat(normed, dim=2)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse rows of another width; see the base class.

        Args:
            shape: (tokens, sum of widths), without the batch.
        """
        if len(shape) != 2 or shape[1] != self.width:
            told = " + ".join(f"{name} {width}" for name, width in self.experts.items())
            raise ValueError(f"reads rows of {self.width} features ({told}) and its view has shape {tuple(shape)}")

    def _kept(self, batch: int) -> Tensor:
        """Which experts stay, float (batch, experts) of 0 and 1, at least one in every row."""
        kept = torch.rand(batch, len(self.experts)) >= self.dropout
        spared = torch.randint(len(self.experts), (batch,))
        kept[torch.arange(batch), spared] |= ~kept.any(dim=1)
        return kept.float()
