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


class CombinedLoss(ScoreLoss):
    """Weighted sum of named losses on the same batch.

    After each call, ``parts`` holds the detached value of each term before its weight, and ``skipped``: the number
    of terms for which the batch said too little and which are therefore zero. All are () tensors, for the log.

    Args:
        terms: The terms by name; the names appear in the log.

    >>> from losses.mse import MSELoss
    >>> from losses.plcc import PLCCLoss
    >>> loss = CombinedLoss({"plcc": LossTerm(PLCCLoss()), "mse": LossTerm(MSELoss(), weight=0.5)})
    >>> scores = torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> loss(scores + 2, scores), loss.parts
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
        self.parts: dict[str, Tensor] = {}

    def forward(self, prediction: Tensor, target: Tensor, content: Contents = None) -> Tensor:
        """The weighted sum, a () tensor; sets ``parts``."""
        # Asked first: a loss with a memory knows more after the call.
        skipped = (~self._usable(target, content)).sum()
        values = {name: loss(prediction, target, content) for name, loss in self.terms.items()}
        self.parts = {name: value.detach() for name, value in values.items()} | {"skipped": skipped}
        return torch.stack([self.weights[name] * value for name, value in values.items()]).sum()

    def usable(self, target: Tensor, content: Contents = None) -> Tensor:
        """Whether the batch says enough for any of the terms, a () bool tensor."""
        return self._usable(target, content).any()

    def _usable(self, target: Tensor, content: Contents) -> Tensor:
        return torch.stack([loss.usable(target, content) for loss in self.terms.values()])  # type: ignore[operator]
