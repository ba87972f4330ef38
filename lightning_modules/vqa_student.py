"""Training rule of a quality network on human labels."""

from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from lightning_modules.base import CosineSchedule
from lightning_modules.vqa_task import VQATask
from losses.score_loss import ScoreLoss
from models.vqa.network import VQANetwork
from records.hashing import seed_of


class VQAStudent(VQATask):
    """A quality network trained on labels; selected by the challenge's score on validation contents.

    Args:
        network: Branches, fusion and head; ``forward(views) -> (batch,)`` in label units.
        loss: ``loss(prediction (n,), target (n,), content) -> scalar``, computed over the batch of all ranks.
        optimizer: Optimiser, called with the parameter groups.
        schedule: Learning-rate schedule, or None for a constant rate.
        head_lr: Learning rate of fusion and head as a multiple of the branches'.
    """

    def __init__(
        self,
        network: VQANetwork,
        loss: ScoreLoss,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: CosineSchedule | None = None,
        head_lr: float = 1.0,
    ) -> None:
        super().__init__(network, optimizer, schedule, head_lr)
        self.loss = loss

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """One optimisation step on the correlation of the whole batch of all ranks."""
        prediction = self(batch["views"]).float()
        content = torch.tensor([seed_of(name) for name in batch["content"]], device=prediction.device)
        loss = self.loss(self.gather(prediction), self.gather(batch["mos"].float()), self.gather(content).tolist())
        parts = {f"train/{name}": value.float() for name, value in getattr(self.loss, "parts", {}).items()}
        self.log_dict({"train/loss": loss.detach(), **parts}, batch_size=len(prediction))
        return loss
