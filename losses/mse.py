"""Squared error of scores."""

import torch
from torch import Tensor

from losses.score_loss import Contents, ScoreLoss, as_scores


def mse_loss(prediction: Tensor, target: Tensor, content: Contents = None) -> Tensor:
    """Mean squared error in squared label units; any number of rows will do, none gives 0.

    Args:
        prediction: (n,) or (n, 1), label units.
        target: (n,) or (n, 1), label units.
        content: Not looked at.

    >>> mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    p, y = as_scores(prediction, target)
    return (p - y).square().sum() / max(len(p), 1)


class MSELoss(ScoreLoss):
    """Mean squared error of the scores, in squared label units."""

    def forward(self, prediction: Tensor, target: Tensor, content: Contents = None) -> Tensor:
        """See :func:`mse_loss`."""
        return mse_loss(prediction, target)

    def usable(self, target: Tensor, content: Contents = None) -> Tensor:
        """Whether there is a target at all, a () bool tensor."""
        return torch.full((), len(target) > 0, device=target.device)
