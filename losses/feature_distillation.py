"""Feature distillation: a student's features, linearly mapped, point where a teacher's do."""

import torch
from torch import Tensor, nn


def cosine_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over clips of one minus the cosine between two vectors.

    Args:
        student: (batch, width).
        teacher: (batch, width), without gradient.

    Returns:
        () loss, 0 to 2, float32 (float64 stays float64); rows of a teacher that are all zero count 1; none give 0.

    >>> ones = torch.ones(2, 3)
    >>> bool(cosine_distance(2 * ones, ones) < 1e-6), bool(cosine_distance(-ones, ones) > 2 - 1e-6)
    (True, True)
    """
    dtype = torch.promote_types(student.dtype, torch.float32)
    cosine = nn.functional.cosine_similarity(student.to(dtype), teacher.detach().to(dtype), dim=1)
    return (1 - cosine).sum() / max(len(cosine), 1)


class FeatureDistillation(nn.Module):
    """Cosine distance between a linear map of the student's mean token and the teacher's mean token.

    The map exists for training only: the network that is deployed does not know of it.

    Args:
        view: Name of the view among ``data.init_args.train_views`` that holds the teacher's features.
        width: Features of a teacher's token.
        weight: Factor of the loss, 0 or more; with 0 nothing is computed.
    """

    def __init__(self, view: str, width: int, weight: float = 1.0) -> None:
        super().__init__()
        if width < 1 or not 0 <= weight < float("inf"):
            raise ValueError(f"width {width} must be at least 1 and weight {weight} at least 0")
        self.view, self.width, self.weight = view, width, weight

    def build(self, width: int) -> None:
        """Make the linear map.

        Args:
            width: Features of a student's token.
        """
        self.project = nn.Linear(width, self.width)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The distance before its weight.

        Args:
            student: (batch, tokens, student's width) features.
            teacher: (batch, tokens, ``width``) features of the same clips; the numbers of tokens may differ.

        Returns:
            () loss, 0 to 2.
        """
        return cosine_distance(self.project(student.mean(dim=1)), teacher.to(student.device).float().mean(dim=1))
