"""What the quality tasks share: scores by split, keyed by id, and the checks at the start."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from lightning_modules.base import BaseTask, CosineSchedule
from lightning_modules.frozen_parts import complete, leave_out, references
from lightning_modules.trained_network import put_network
from losses.score_loss import ScoreLoss
from metrics.kvq_score import KVQScore
from models.vqa.network import VQANetwork
from models.vqa.passes import Passes
from records.checkpoints import read_checkpoint
from records.errors import CheckFailed, UserError
from records.hashing import file_hash, seed_of
from records.predictions import Prediction

_INIT_FROM = "model.init_args.init_from"


class VQATask(BaseTask):
    """A quality network with the challenge's scores; subclasses add the training step.

    Args:
        network: Branches, fusion and head; ``forward(views) -> (batch,)`` in label units.
        optimizer: Optimiser, called with the parameter groups.
        schedule: Learning-rate schedule, or None for a constant rate.
        head_lr: Learning rate of fusion and head as a multiple of the branches'.
        init_from: Checkpoint whose network a fresh fit begins with, instead of pretrained weights; the head takes the
            scale of this fit's labels.

    Attributes:
        transductive: Whether validation or test clips may be among those trained on, here or where it began.
        began_from: ``path`` and ``hash`` of the checkpoint that it began with; empty without one.
        pool_facts: What is known of the pool it learns from; empty without one.
        frozen: Branch to source and hash of weights that no step changes and no checkpoint holds.
    """

    def __init__(
        self,
        network: VQANetwork,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: CosineSchedule | None = None,
        head_lr: float = 1.0,
        init_from: str | None = None,
    ) -> None:
        super().__init__(network, optimizer, schedule, head_lr)
        self.network: VQANetwork = network
        self.init_from = init_from
        self.transductive = False
        self.began_from: dict[str, str] = {}
        self.pool_facts: dict[str, Any] = {}
        self.frozen: dict[str, dict[str, str]] = {}
        self._rows: dict[str, list[Prediction]] = {}
        self.passes = Passes(self)

    def configure_metrics(self) -> None:
        """One score object a split; it gathers by id, so padding or uneven ranks cannot change it."""
        self.val_score, self.test_score = KVQScore(), KVQScore()

    def setup(self, stage: str) -> None:
        """Check the network against the data's views and take the rank pairs of the split."""
        try:
            self.network.check(self.data.shapes)
        except ValueError as error:
            raise UserError(
                str(error), where="model.init_args.network", mend="give branch and view the same key"
            ) from None
        if stage == "fit":
            self.transductive |= bool(getattr(self.data, "transductive", False))
            self.pool_facts = getattr(self.data, "pool_facts", {})
        if stage in ("fit", "validate"):
            self.val_score.set_pairs(self.data.pairs("val"))
        elif stage == "test":
            self.test_score.set_pairs(self.data.pairs("test"))

    def prepare_network(self) -> None:
        """Load pretrained trunks or an earlier fit, and give the head the scale of the training labels."""
        if self.init_from is None:
            try:
                self.frozen = references(self.network, self.network.load_pretrained())
            except (ValueError, OSError) as error:
                raise UserError(str(error), where="model.init_args.network") from None
        else:
            checkpoint = read_checkpoint(self.init_from, _INIT_FROM)
            put_network(checkpoint, self.network, f"{_INIT_FROM} {self.init_from}")
            self.began_from = {"path": self.init_from, "hash": file_hash(self.init_from)}
            self.frozen = checkpoint.get("frozen", {})
            self.transductive |= bool(checkpoint.get("transductive", False))
        try:
            self.network.set_label_scale(*self.data.label_stats())
        except ValueError as error:
            what, _, mend = str(error).rpartition("; ")
            raise UserError(what, where="training labels", mend=f"{mend}: mend the scores") from None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say what the weights come from, and leave frozen ones where they are."""
        super().on_save_checkpoint(checkpoint)
        leave_out(checkpoint, self.network, self.frozen)
        checkpoint |= {"transductive": self.transductive, "began_from": self.began_from, "pool": self.pool_facts}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take that over: a resumed fit does not begin again, and an evaluation tells it."""
        complete(checkpoint, self.network, self.origin)
        super().on_load_checkpoint(checkpoint)
        self.frozen = checkpoint.get("frozen", {})
        self.transductive |= bool(checkpoint.get("transductive", False))
        self.began_from = checkpoint.get("began_from", {})
        pool = checkpoint.get("pool", {})
        if self._trainer is not None and self.trainer.state.fn == "fit" and pool != self.pool_facts:
            raise UserError(
                "the pool is another than the run began with",
                where="data.init_args.pool.labels",
                mend="put the old file back, or begin anew (--restart)",
            )
        self.pool_facts = pool

    def constant_tensors(self) -> Iterable[Tensor]:
        """Weights that no step changes, so that averaging need not copy them."""
        return [value for value in self.network.parameters() if not value.requires_grad]

    def forward(self, views: dict[str, Tensor]) -> Tensor:
        """Score a batch of videos.

        Args:
            views: Name to uint8 tensor (batch, time, 3, height, width).

        Returns:
            Scores in label units, (batch,), float32.
        """
        return self.network(views)

    def whole_batch(self, prediction: Tensor, batch: dict[str, Any]) -> tuple[Tensor, Tensor, list[int]]:
        """What a loss needs of the batch of all ranks, so that a correlation is that of the whole.

        Args:
            prediction: (batch,) scores of this rank's clips, float.
            batch: Their batch.

        Returns:
            Predictions with gradient and labels, (n,) both, and n codes of contents.
        """
        content = torch.tensor([seed_of(name) for name in batch["content"]], device=prediction.device)
        return self.gather(prediction), self.gather(batch["mos"].float()), self.gather(content).tolist()

    def log_loss(self, loss: ScoreLoss, value: Tensor, count: int) -> None:
        """Log a loss of ``count`` clips of this rank, with its parts where it has some."""
        parts = {f"train/{name}": part.float() for name, part in getattr(loss, "parts", {}).items()}
        self.log_dict({"train/loss": value.detach(), **parts}, batch_size=count)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Collect the predictions of one batch."""
        self._collect(self.val_score, batch)

    def on_validation_epoch_end(self) -> None:
        """Compute and log the scores once over all ranks."""
        self._log_scores("val", self.val_score)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Collect the predictions of one batch."""
        self._collect(self.test_score, batch)

    def on_test_epoch_end(self) -> None:
        """Compute and log the scores once over all ranks."""
        self._log_scores("test", self.test_score)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> Sequence[tuple[Any, ...]]:
        """Id and score of each video of one batch."""
        if not batch["id"]:  # no clip of the batch could be read
            return []
        return list(zip(batch["id"], self.evaluated(self, batch["views"]).float().tolist(), strict=True))

    def evaluated(self, function: Callable[[dict[str, Tensor]], Any], views: dict[str, Tensor]) -> Any:
        """What ``function`` makes of the views of a batch, in smaller passes where memory runs out.

        Raises:
            CheckFailed: One video does not fit, a frame or clip at a time.
        """
        try:
            return self.passes(function, views)
        except MemoryError as error:
            mend = "use a device with more memory, or read smaller or shorter clips"
            raise CheckFailed(str(error), where="evaluation", mend=mend) from None

    def score_rows(self, split: str) -> list[Prediction]:
        """Predictions of the last evaluation of ``split``, all ranks together, each id once."""
        return self._rows.get(split, [])

    def _collect(self, score: KVQScore, batch: dict[str, Any]) -> None:
        if batch["id"]:
            score.update(batch["id"], self.evaluated(self, batch["views"]).float(), batch["mos"].float())

    def _log_scores(self, split: str, score: KVQScore) -> None:
        values = score.compute()
        labels = {label.id: label for label in self.data.labels(split)}
        self._rows[split] = [
            Prediction(id, prediction, target, "" if math.isnan(target) else "label", labels[id].content, split)
            for id, prediction, target in score.rows()
        ]
        score.reset()
        final = values["final"] if values["final"] is not None else values["final_no_rank"]
        plain = {f"{split}/{name}": float(value) for name, value in values.items() if value is not None and name != "n"}
        plain.pop(f"{split}/final", None)
        plain.pop(f"{split}/final_no_rank", None)
        if final is not None:
            plain[f"{split}/final_score"] = float(final)
        # Every rank computed the same values from the gathered rows, so nothing is to be synchronised.
        self.log_dict(plain, rank_zero_only=False, batch_size=1)
