"""Training rule of a heavy quality network, and the ensemble of several that labels what people have not."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torchmetrics import MeanMetric

from lightning_modules.base import CosineSchedule
from lightning_modules.ensemble import KEY, Ensemble, MemberScale, load_ensemble
from lightning_modules.vqa_task import VQATask
from losses.score_loss import ScoreLoss
from metrics.kvq_score import KVQScore
from models.vqa.network import VQANetwork
from records.errors import UserError


class VQATeacher(VQATask):
    """A quality network trained on labels, which keeps the scale of its predictions on the training set.

    With ``members``, validate, test and predict use the mean of several trained networks. Each is standardised with
    its own training mean and standard deviation before the mean, so that none weighs more for the scale it happened
    to end on; scores are in label units, and their spread over the members goes with them.

    Args:
        network: Branches, fusion and head; ``forward(views) -> (batch,)``.
        loss: ``loss(prediction (n,), target (n,), content) -> scalar``, computed over the batch of all ranks.
        optimizer: Optimiser, called with the parameter groups.
        schedule: Learning-rate schedule, or None for a constant rate.
        head_lr: Learning rate of fusion and head as a multiple of the branches'.
        members: Checkpoints of runs of one network, ``best.ckpt`` for example, to evaluate together; not for fit.
    """

    def __init__(
        self,
        network: VQANetwork,
        loss: ScoreLoss,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: CosineSchedule | None = None,
        head_lr: float = 1.0,
        members: list[str] | None = None,
    ) -> None:
        super().__init__(network, optimizer, schedule, head_lr)
        self.loss, self.members = loss, members or []
        self.needs_checkpoint = not self.members
        self.ensemble: Ensemble | None = None
        # Count, sum and sum of squares of the predictions of this epoch's training steps.
        self._moments, self._moments_epoch = torch.zeros(3, dtype=torch.float64), -1
        self._scale: MemberScale | None = None

    def configure_metrics(self) -> None:
        """Scores of each split, and the mean spread over the members."""
        super().configure_metrics()
        self.spread = MeanMetric(nan_strategy="ignore")

    def setup(self, stage: str) -> None:
        """Check the network against the data's views, and load the members."""
        super().setup(stage)
        if not self.members:
            return
        if stage == "fit":
            raise UserError("a fit trains one network", where="model.init_args.members", mend="leave members out")
        if self.checkpoint is not None:
            raise UserError("names a checkpoint beside the members", where="--ckpt_path", mend="give one of the two")
        self.ensemble = load_ensemble(self.members, self.network)
        self.transductive |= self.ensemble.transductive

    def judge(self, views: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Score a batch of videos.

        Args:
            views: Name to tensor (batch, ...), as the branches read them.

        Returns:
            Scores (batch,) and their standard deviation over the members (batch,), nan with one; float32. In label
            units with members; without, as the network gives them.
        """
        if self.ensemble is not None:
            return self.ensemble(views)
        scores = self.network(views).float()
        return scores, torch.full_like(scores, math.nan)

    def forward(self, views: dict[str, Tensor]) -> Tensor:
        """Scores of a batch of videos, (batch,), float32."""
        return self.judge(views)[0]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """One optimisation step on the correlation of the whole batch of all ranks."""
        prediction, target, content = self.whole_batch(self.network(batch["views"]).float(), batch)
        self._note(prediction.detach().double())
        loss = self.loss(prediction, target, content)
        self.log_loss(self.loss, loss, len(batch["id"]))
        return loss

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> Sequence[tuple[Any, ...]]:
        """Id, score and spread of each video of one batch."""
        if not batch["id"]:
            return []
        scores, spreads = self.evaluated(self.judge, batch["views"])
        return list(zip(batch["id"], scores.tolist(), spreads.tolist(), strict=True))

    def on_validation_epoch_start(self) -> None:
        """Take the scale of the steps before, to which the network that is scored now belongs."""
        if self.trainer.state.fn == "fit":
            self._scale = self._measured() or self._scale

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the scale, and what a resumed epoch goes on from."""
        super().on_save_checkpoint(checkpoint)
        scale = self._scale or self._measured()
        if scale is not None:
            checkpoint[KEY] = scale.plain()
        checkpoint["training_moments"] = [self._moments_epoch, *self._moments.tolist()]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore them."""
        super().on_load_checkpoint(checkpoint)
        self._scale = MemberScale(**checkpoint[KEY]) if KEY in checkpoint else None
        self._moments_epoch, *moments = checkpoint.get("training_moments", [-1, 0.0, 0.0, 0.0])
        self._moments = torch.tensor(moments, dtype=torch.float64)

    @property
    def told(self) -> dict[str, str]:
        """What the end of a run says of the members."""
        if not self.members:
            return {}
        spread = [float(value) for name, value in self.trainer.callback_metrics.items() if name.endswith("/spread")]
        apart = f", {spread[0]:.4f} apart (mean standard deviation, label units)" if spread else ""
        return {"members": f"{len(self.members)}{apart}"}

    def _note(self, prediction: Tensor) -> None:
        if self._moments_epoch != self.current_epoch:
            self._moments, self._moments_epoch = torch.zeros_like(self._moments), self.current_epoch
        ones = torch.ones_like(prediction)
        # Kept on the device: reading a value back every step would wait for it.
        self._moments = self._moments.to(prediction.device) + torch.stack([ones, prediction, prediction**2]).sum(1)

    def _measured(self) -> MemberScale | None:
        """Scale of the steps of this epoch; None before the first."""
        count, total, squares = self._moments.tolist()
        if not count:
            return None
        mean = total / count
        label_mean, label_sd = self.data.label_stats()
        return MemberScale(mean, math.sqrt(max(0.0, squares / count - mean**2)), float(label_mean), float(label_sd))

    def _collect(self, score: KVQScore, batch: dict[str, Any]) -> None:
        if batch["id"]:
            scores, spreads = self.evaluated(self.judge, batch["views"])
            score.update(batch["id"], scores, batch["mos"].float())
            self.spread.update(spreads)

    def _log_scores(self, split: str, score: KVQScore) -> None:
        super()._log_scores(split, score)
        if len(self.members) > 1:
            self.log(f"{split}/spread", float(self.spread.compute()), rank_zero_only=False, batch_size=1)
        self.spread.reset()
