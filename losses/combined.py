"""Weighted sum of losses on a batch of scores."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from losses.score_loss import Contents, ScoreLoss


@dataclass
class LossTerm:
    """One term of the sum.

    Args:
        loss: The loss.
        weight: Its factor, 0 or more.
    """

    loss: ScoreLoss
    weight: float = 1.0


class CombinedLoss(nn.Module):
    """Weighted sum of named losses on the same batch.

    Under several processes, predictions and targets are gathered before this is called.

    Args:
        terms: The terms by name; the names appear in the log.

    >>> from losses.mse import MSELoss
    >>> from losses.plcc import PLCCLoss
    >>> loss = CombinedLoss({"plcc": LossTerm(PLCCLoss()), "mse": LossTerm(MSELoss(), weight=0.5)})
    >>> scores = torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> loss(scores + 2, scores)
    (tensor(2.), {'plcc': tensor(0.), 'mse': tensor(4.), 'skipped': tensor(0)})
    """

    def __init__(self, terms: dict[str, LossTerm]) -> None:
        super().__init__()
        if not terms:
            raise ValueError("a combined loss needs at least one term")
        for name, term in terms.items():
            if name == "skipped":
                raise ValueError("a loss term cannot be named 'skipped': the count of skipped terms is")
            if not (math.isfinite(term.weight) and term.weight >= 0):
                raise ValueError(f"loss term {name!r} has weight {term.weight}, expected 0 or more")
        self.terms = nn.ModuleDict({name: term.loss for name, term in terms.items()})
        self.weights = {name: float(term.weight) for name, term in terms.items()}

    def forward(self, prediction: Tensor, target: Tensor, content: Contents = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum and its parts.

        Args:
            prediction: (n,) or (n, 1), label units.
            target: (n,) or (n, 1), label units, finite.
            content: What each file shows, n names or (n,) codes.

        Returns:
            The () total with its graph, and detached () tensors: each term before its weight, and ``skipped``, the
            number of terms for which the batch said too little and which are therefore zero.
        """
        values = {name: loss(prediction, target, content) for name, loss in self.terms.items()}
        total = torch.stack([self.weights[name] * value for name, value in values.items()]).sum()
        usable = torch.stack([loss.usable(target, content) for loss in self.terms.values()])  # type: ignore[operator]
        parts = {name: value.detach() for name, value in values.items()}
        return total, {**parts, "skipped": (~usable).sum()}
