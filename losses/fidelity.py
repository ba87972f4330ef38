"""Fidelity between predicted and labelled preferences, pair by pair."""

import torch
from torch import Tensor

from losses.score_loss import MIN_LABEL_SD, Contents, ScoreLoss, as_scores, informative, same_content

_EPSILON = 1e-8


def fidelity_loss(
    prediction: Tensor, target: Tensor, content: Contents = None, *, same_content_only: bool = False
) -> Tensor:
    """Mean over pairs of ``1 - sqrt(P G) - sqrt((1 - P)(1 - G))`` (fidelity, Tsai et al., SIGIR 2007).

    P and G are the chances that the first is preferred under Thurstone's model, ``Phi(gap / sqrt 2)``, of predictions
    and of labels. Both gaps are divided by the sd of the batch's labels: the loss reads the size of a gap, so unlike
    a correlation it also pulls the predictions' range to that of the labels.

    Args:
        prediction: (n,) or (n, 1), label units.
        target: (n,) or (n, 1), label units.
        content: What each file shows; needed for ``same_content_only``.
        same_content_only: Look only at pairs that show one content (versions of one upload).

    Returns:
        () loss, 0 to 1 (epsilons in the roots take up to 1e-4 off); 0 for fewer than 4 targets, a spread below 0.02,
        or no pair.

    Raises:
        ValueError: ``same_content_only`` without content.

    >>> scores = torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> bool(fidelity_loss(scores, scores).abs() < 1e-4), bool(fidelity_loss(-scores, scores) > 0.3)
    (True, True)
    """
    p, y = as_scores(prediction, target)
    first, second = _pairs(y)
    scale = (y - y.mean()).square().mean().sqrt().clamp(min=MIN_LABEL_SD) * 2**0.5
    chosen, wanted = (p[first] - p[second]) / scale, (y[first] - y[second]) / scale
    losses = 1 - _root(chosen, wanted) - _root(-chosen, -wanted)
    if same_content_only:
        counted = same_content(content, first, second)
        losses, number = losses * counted, counted.sum().clamp(min=1)
        return torch.where(informative(y), losses.sum() / number, 0.0)
    return torch.where(informative(y), losses.sum() / max(len(losses), 1), 0.0)


class FidelityLoss(ScoreLoss):
    """Fidelity between predicted and labelled preferences (Thurstone's model).

    Args:
        same_content_only: Compare only versions of one upload, as the challenge's source pairs do; a batch needs
            several versions of a content for it.
    """

    def __init__(self, same_content_only: bool = False) -> None:
        super().__init__()
        self.same_content_only = same_content_only

    def forward(self, prediction: Tensor, target: Tensor, content: Contents = None) -> Tensor:
        """See :func:`fidelity_loss`."""
        return fidelity_loss(prediction, target, content, same_content_only=self.same_content_only)

    def usable(self, target: Tensor, content: Contents = None) -> Tensor:
        """Whether the batch says enough and holds a pair to compare, a () bool tensor."""
        enough = informative(target)
        return enough & same_content(content, *_pairs(target)).any() if self.same_content_only else enough


def _pairs(scores: Tensor) -> Tensor:
    """Indices of each pair once, (2, n (n - 1) / 2)."""
    return torch.triu_indices(len(scores), len(scores), offset=1, device=scores.device)


def _root(chosen: Tensor, wanted: Tensor) -> Tensor:
    # Called with negated gaps for 1 - P: the difference itself would lose all digits of a small chance.
    return (torch.special.ndtr(chosen) * torch.special.ndtr(wanted) + _EPSILON).sqrt()
