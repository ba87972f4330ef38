"""Hinge on pairs in the wrong order."""

import torch
from torch import Tensor

from losses.score_loss import Contents, ScoreLoss, as_scores, informative


def rank_hinge_loss(prediction: Tensor, target: Tensor, content: Contents = None) -> Tensor:
    """Mean over ordered pairs of ``relu((p_i - p_j) sign(y_j - y_i)) / (1 + largest)`` (FAST-VQA, ECCV 2022).

    The largest hinge of the batch is a constant of the gradient. Constant predictions are in no wrong order: they
    give 0 and no gradient, so the loss stands beside another one.

    Args:
        prediction: (n,) or (n, 1), label units.
        target: (n,) or (n, 1).
        content: Not looked at.

    Returns:
        () loss, 0 to below 1; 0 for fewer than 4 targets or a spread below 0.02.

    >>> scores = torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> rank_hinge_loss(scores, scores), rank_hinge_loss(-scores, scores)
    (tensor(0.), tensor(0.4167))
    """
    p, y = as_scores(prediction, target)
    # Explicit axes: p - p.T on (n,) is zero everywhere, and the loss with it.
    hinge = torch.relu((p[:, None] - p[None, :]) * torch.sign(y[None, :] - y[:, None])).flatten()
    largest = torch.cat((hinge.detach(), p.new_zeros(1))).max()
    loss = hinge.sum() / (1 + largest) / max(len(p) * (len(p) - 1), 1)
    # The sign of nan is 0: a nan target would be passed over in silence.
    return torch.where(informative(y), loss, 0.0) + 0 * y.sum()


class RankHingeLoss(ScoreLoss):
    """Hinge on pairs that the predictions order otherwise than the labels."""

    def forward(self, prediction: Tensor, target: Tensor, content: Contents = None) -> Tensor:
        """See :func:`rank_hinge_loss`."""
        return rank_hinge_loss(prediction, target)
