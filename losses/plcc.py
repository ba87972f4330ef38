"""Linear correlation (PLCC) as a loss."""

from typing import Literal

import torch
from torch import Tensor

from losses.score_loss import MIN_LABEL_SD, Contents, ScoreLoss, as_scores, informative

# Share of the label spread below which predictions count as constant. With a mere +1e-8 in the denominator the
# gradient at constant predictions is 5.6e6; so it stays near 1 / (n x 0.001 x label sd).
SD_FLOOR = 1e-3


def plcc_loss(prediction: Tensor, target: Tensor, content: Contents = None, *, form: Literal["a", "b"] = "a") -> Tensor:
    """One minus Pearson's rho of the batch, bent (form a) or straight (form b).

    Form a is ``(1 - rho)(3 + rho) / 8``, the closed form of the loss of FAST-VQA (Wu et al., ECCV 2022): the mean of
    the squared distances of z-scored labels to z-scored predictions, as they are and shrunk by rho. It is steepest
    at rho = 1 and flat at -1. Form b is ``(1 - rho) / 2`` (VSFA, Li et al., ACM MM 2019).

    Args:
        prediction: (n,) or (n, 1), label units; only order and proportion count.
        target: (n,) or (n, 1).
        content: Not looked at.
        form: ``a`` (range 0 to 0.5) or ``b`` (0 to 1).

    Returns:
        () loss; 0 for fewer than 4 targets or a spread below 0.02.

    >>> scores = torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> plcc_loss(scores * 2 + 5, scores), plcc_loss(-scores, scores)
    (tensor(0.), tensor(0.5000))
    """
    p, y = as_scores(prediction, target)
    rho = pearson(p, y, floor=SD_FLOOR, least=MIN_LABEL_SD)
    loss = (1 - rho) * (3 + rho) / 8 if form == "a" else (1 - rho) / 2
    return torch.where(informative(y), loss, 0.0)


class PLCCLoss(ScoreLoss):
    """Linear correlation of the batch as a loss.

    Args:
        form: ``a``: (1 - rho)(3 + rho) / 8, as FAST-VQA; ``b``: (1 - rho) / 2, as VSFA.
    """

    def __init__(self, form: Literal["a", "b"] = "a") -> None:
        super().__init__()
        if form not in ("a", "b"):
            raise ValueError(f"form {form!r} is neither 'a' nor 'b'")
        self.form: Literal["a", "b"] = form

    def forward(self, prediction: Tensor, target: Tensor, content: Contents = None) -> Tensor:
        """See :func:`plcc_loss`."""
        return plcc_loss(prediction, target, form=self.form)


def pearson(x: Tensor, y: Tensor, *, floor: float, least: float) -> Tensor:
    """Pearson's correlation of (n,) tensors whose gradient stays bounded when ``x`` is constant.

    Args:
        x: (n,) variable.
        y: (n,) reference, without gradient.
        floor: Smallest sd taken for ``x``, as a share of the sd of ``y``; below it the correlation shrinks to 0.
        least: Smallest sd taken for ``y``, in its unit; above 0.

    Returns:
        () correlation, -1 to 1.
    """
    x, y = x - x.mean(), y - y.mean()
    sd_y = y.square().mean().clamp(min=least**2).sqrt()
    # The variance is clamped, not its root: the root's slope at 0 is infinite, and infinity times 0 is nan.
    sd_x = torch.maximum(x.square().mean(), (floor * sd_y).square()).sqrt()
    return (x * y).mean() / (sd_x * sd_y)
