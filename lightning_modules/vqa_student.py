"""Training rule of a quality network on human labels and on what a teacher said."""

from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.base import CosineSchedule
from lightning_modules.vqa_task import VQATask
from losses.feature_distillation import FeatureDistillation
from losses.score_loss import ScoreLoss
from models.vqa.network import VQANetwork
from records.errors import UserError


class VQAStudent(VQATask):
    """A quality network trained on labels, and on pseudo-labels where the data brings a pool.

    Labelled and pool clips of a batch are judged apart, each by its own loss; a batch without the one passes over its
    term. Selected by the challenge's score on validation contents.

    Args:
        network: Branches, fusion and head; ``forward(views) -> (batch,)`` in label units.
        loss: ``loss(prediction (n,), target (n,), content) -> scalar`` on the labelled clips of all ranks.
        optimizer: Optimiser, called with the parameter groups.
        schedule: Learning-rate schedule, or None for a constant rate.
        head_lr: Learning rate of fusion and head as a multiple of the branches'.
        pool_loss: The same on the pool's clips with the teacher's scores; needed with a pool only.
        pool_weight: Factor of ``pool_loss``, 0 or more; with 0 it is not computed.
        distill: Pull the features of all clips to those of a teacher, or None.
        init_from: Checkpoint whose network a fresh fit begins with, instead of pretrained weights; the head takes the
            scale of this fit's labels.
    """

    def __init__(
        self,
        network: VQANetwork,
        loss: ScoreLoss,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: CosineSchedule | None = None,
        head_lr: float = 1.0,
        pool_loss: ScoreLoss | None = None,
        pool_weight: float = 1.0,
        distill: FeatureDistillation | None = None,
        init_from: str | None = None,
    ) -> None:
        super().__init__(network, optimizer, schedule, head_lr, init_from)
        if not 0 <= pool_weight < float("inf"):
            raise ValueError(f"pool_weight must be at least 0, not {pool_weight}")
        self.loss, self.pool_loss, self.pool_weight, self.distill = loss, pool_loss, pool_weight, distill
        if distill is not None:
            distill.build(network.width)
            # What takes no part must not be waited for between ranks.
            distill.requires_grad_(distill.weight > 0)

    def setup(self, stage: str) -> None:
        """Check that the data brings what is to be learnt from, and that it is."""
        super().setup(stage)
        if stage != "fit":
            return
        if getattr(self.data, "pool", None) is not None and self.pool_loss is None and self.pool_weight:
            raise UserError(
                "there is a pool but no loss on it",
                where="model.init_args.pool_loss",
                mend="give one, or pool_weight: 0",
            )
        self._check_train_views(getattr(self.data, "train_shapes", {}))

    def _check_train_views(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Refuse views for training that nothing reads, and a teacher's features that are not there or not as wide."""
        wanted = set() if self.distill is None else {self.distill.view}
        problems = [f"nothing learns from the view {name!r}" for name in shapes.keys() - wanted]
        problems += [f"model.init_args.distill reads {name!r}, which is not there" for name in wanted - shapes.keys()]
        if self.distill is not None and shapes.get(self.distill.view, (self.distill.width,))[-1] != self.distill.width:
            has = shapes[self.distill.view][-1]
            problems.append(
                f"view {self.distill.view!r} is {has} wide, and model.init_args.distill says {self.distill.width}"
            )
        if problems:
            raise UserError("; ".join(problems), where="data.init_args.train_views", mend="give both the same")

    def trained_parameters(self) -> Iterable[tuple[str, nn.Parameter]]:
        """Those of the network, and the map to the teacher's features."""
        yield from super().trained_parameters()
        if self.distill is not None:
            yield from self.distill.named_parameters(prefix="distill")

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """One optimisation step on the whole batch of all ranks."""
        features = self.network.features(batch["views"])
        prediction, target, content = self.whole_batch(self.network.head(features).float(), batch)
        pooled = self.gather(torch.tensor([origin == "pseudo" for origin in batch["origin"]], device=prediction.device))
        # Without a clip that counts, the step still goes through the network, as that of the other ranks does.
        total = prediction.sum() * 0
        figures: dict[str, Tensor] = {}
        for loss, rows, weight, name in (
            (self.loss, ~pooled, 1.0, ""),
            (self.pool_loss, pooled, self.pool_weight, "pool_"),
        ):
            if loss is None or not weight or not bool(rows.any()):
                continue
            contents = [code for code, counts in zip(content, rows.tolist(), strict=True) if counts]
            value = loss(prediction[rows], target[rows], contents)
            total = total + weight * value
            figures[f"train/{name or 'label_'}loss"] = value.detach()
            parts = getattr(loss, "parts", {})
            figures |= {f"train/{name}{part}": each.detach().float() for part, each in parts.items()}
        if self.distill is not None and self.distill.weight:
            distance = self.distill(features, batch["views"][self.distill.view])
            total = total + self.distill.weight * distance
            figures["train/feature_distance"] = distance.detach()
        self.log_dict({"train/loss": total.detach(), **figures}, batch_size=len(batch["id"]))
        return total
