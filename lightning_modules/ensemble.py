"""Several trained networks as one: every member on its own scale, then their mean."""

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from lightning_modules.trained_network import put_network
from records.checkpoints import read_checkpoint
from records.errors import UserError

# Key of a member's scale in its checkpoint.
KEY = "training_scores"
WHERE = "model.init_args.members"


@dataclass(frozen=True)
class MemberScale:
    """What a network made of its own training set.

    Args:
        mean: Mean of its raw predictions.
        sd: Their population standard deviation.
        label_mean: Mean of the labels.
        label_sd: Their population standard deviation.
    """

    mean: float
    sd: float
    label_mean: float
    label_sd: float

    def to_labels(self, prediction: Tensor) -> Tensor:
        """Raw predictions in label units: a correlation loss leaves scale and offset of a network to chance."""
        return (prediction - self.mean) / self.sd * self.label_sd + self.label_mean

    def plain(self) -> dict[str, float]:
        """Plain values, for a checkpoint."""
        return asdict(self)


class Ensemble(nn.Module):
    """Mean of networks of one architecture, each standardised by what it made of its own training set.

    All networks stay on the device: n times the parameters, and no weights are moved while videos are scored.

    Args:
        networks: The members.
        scales: Their scales.
        transductive: Whether one of them may have been trained on validation or test clips.
    """

    def __init__(
        self, networks: Sequence[nn.Module], scales: Sequence[MemberScale], transductive: bool = False
    ) -> None:
        super().__init__()
        self.transductive = transductive
        self.networks, self.scales = nn.ModuleList(networks), list(scales)

    def forward(self, views: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Score videos.

        Args:
            views: View to (batch, ...), as the networks read them.

        Returns:
            Scores (batch,) and the standard deviation over the members (batch,), nan with one; float32, label units.
        """
        members = zip(self.networks, self.scales, strict=True)
        scores = torch.stack([scale.to_labels(network(views).float()) for network, scale in members])
        spreads = scores.std(0) if len(scores) > 1 else torch.full_like(scores[0], math.nan)
        return scores.mean(0), spreads


def load_ensemble(paths: Sequence[str], network: nn.Module) -> Ensemble:
    """Load members into copies of ``network``; the first takes ``network`` itself.

    Args:
        paths: Checkpoints of runs.
        network: The architecture.

    Raises:
        UserError: A file is missing, is no checkpoint of a teacher, or holds another network.
    """
    networks, scales, transductive = [], [], False
    for number, path in enumerate(paths):
        checkpoint = read_checkpoint(path, WHERE)
        where = f"{WHERE} {path}"
        try:
            scales.append(MemberScale(**checkpoint[KEY]))
        except (KeyError, TypeError):
            raise UserError(
                "does not say what it made of its training set", where=where, mend="give checkpoints of a VQATeacher"
            ) from None
        if not scales[-1].sd > 0:
            raise UserError("gave one score to its whole training set", where=where, mend="leave it out")
        networks.append(network if number == 0 else copy.deepcopy(network))
        put_network(checkpoint, networks[-1], where)
        transductive |= bool(checkpoint.get("transductive", False))
    return Ensemble(networks, scales, transductive)
