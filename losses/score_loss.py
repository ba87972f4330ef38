"""The call every loss on a batch of scores answers to, and when a batch says too little for it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

MIN_BATCH = 4
MIN_LABEL_SD = 0.02

# What each file of a batch shows: names, or codes, which gather across processes.
Contents = Sequence[str] | Sequence[int] | Tensor | None


class ScoreLoss(nn.Module, ABC):
    """Loss on a batch of scores: ``loss(prediction, target, content) -> scalar``.

    Prediction and target are (n,) or (n, 1) in label units, of any float dtype; the loss is computed in float32
    (float64 stays float64), also under autocast. A batch that says too little gives zero, with a graph.
    """

    @abstractmethod
    def forward(self, prediction: Tensor, target: Tensor, content: Contents = None) -> Tensor:
        """The loss, a () float32 tensor.

        Args:
            prediction: (n,) or (n, 1), label units.
            target: (n,) or (n, 1), label units. Files without a score are left out by the caller: a nan spreads.
            content: What each file shows, n names or (n,) codes; only losses on pairs of one content need it.
        """

    def usable(self, target: Tensor, content: Contents = None) -> Tensor:
        """Whether the batch says enough, a () bool tensor; where it does not, the loss is zero."""
        return informative(target)


def as_scores(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both as (n,) float32, or float64 where the prediction is.

    Raises:
        ValueError: The shapes are not (n,) or (n, 1), or n differs.
    """
    for name, scores in (("prediction", prediction), ("target", target)):
        if scores.ndim not in (1, 2) or scores.shape[1:] not in ((), (1,)):
            raise ValueError(f"{name} has shape {tuple(scores.shape)}, expected (n,) or (n, 1)")
    if len(prediction) != len(target):
        raise ValueError(f"{len(prediction)} predictions for {len(target)} targets")
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    return prediction.reshape(-1).to(dtype), target.reshape(-1).to(dtype)


def informative(target: Tensor) -> Tensor:
    """Whether targets (n,) are at least 4 and spread at least 0.02 (population sd, label units): a () bool tensor."""
    if len(target) < MIN_BATCH:
        return torch.zeros((), dtype=torch.bool, device=target.device)
    spread = target.detach().float().std(correction=0)
    # "Not below" rather than "at least": nan targets must show as a nan loss, not as a batch passed over.
    return ~(spread < MIN_LABEL_SD)


def same_content(content: Contents, first: Tensor, second: Tensor) -> Tensor:
    """Whether files at indices ``first`` and ``second``, both (pairs,), show the same content: (pairs,) bool.

    Raises:
        ValueError: No content was given.
    """
    if content is None:
        raise ValueError("pairs of one content were asked for, but the batch came without content")
    if not isinstance(content, Tensor):
        codes: dict[str | int, int] = {}
        content = torch.tensor([codes.setdefault(name, len(codes)) for name in content], device=first.device)
    return content[first] == content[second]
