"""What the super-resolution tasks share: whole images restored one by one, scored by image, gathered over ranks."""

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.distributed
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.base import BaseTask, CosineSchedule
from metrics.sr.full_reference import psnr, ssim
from models.memory import is_out_of_memory
from records.errors import CheckFailed
from records.image_scores import ImageScore
from records.images import to_picture

# Figures of which less is better; of all others more is.
FALLING = ("l1", "st-lpips", "lpips")


class SRTask(BaseTask):
    """A network that makes large, clean images of small or damaged ones; subclasses add the training step.

    An evaluation batch is one whole image: ``id``, ``lr`` (1, 3, h, w), ``domain``, ``scale`` and, where there is a
    truth, ``hr`` (1, 3, h * scale, w * scale), floats in [0, 1]. PSNR and SSIM are those of the challenge: on 8-bit
    luma, with a border of 4 pixels left out.

    Args:
        network: The network.
        optimizer: Optimiser, called with the parameter groups.
        schedule: Learning-rate schedule, or None for a constant rate.
        head_lr: Learning rate of what is no branch as a multiple of the optimiser's.
        perceptual: Perceptual distance that is trained with, scored with, or both; null for none.
        monitor: Figure of the validation split that chooses the best epoch: ``psnr``, ``ssim``, ``l1``, or
            ``perceptual``.
        pictures: Images of validation that are kept to be shown.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: CosineSchedule | None = None,
        head_lr: float = 1.0,
        perceptual: nn.Module | None = None,
        monitor: Literal["psnr", "ssim", "l1", "perceptual"] = "psnr",
        pictures: int = 3,
    ) -> None:
        super().__init__(network, optimizer, schedule, head_lr)
        if monitor == "perceptual" and perceptual is None:
            raise ValueError(
                "monitor is perceptual, but there is no perceptual distance; give model.init_args.perceptual"
            )
        self.perceptual, self.pictures = perceptual, pictures
        name = str(getattr(perceptual, "name", "perceptual")) if monitor == "perceptual" else monitor
        self.monitor = f"val/{name}"
        self.mode = "min" if self.falls(name) else "max"
        self._rows: dict[str, list[ImageScore]] = {}
        self._own: list[ImageScore] = []
        self._told: set[str] = set()
        # Id, and what was put in, came out and should have come out, (3, H, W) each, of the first images.
        self.shown: list[tuple[str, list[Tensor]]] = []

    @staticmethod
    def falls(name: str) -> bool:
        """Whether less of a figure is better."""
        return name.startswith(FALLING)

    def restore(self, batch: dict[str, Any]) -> Tensor:
        """Restore the image of an evaluation batch.

        Args:
            batch: One image.

        Returns:
            (1, 3, h * scale, w * scale) in [0, 1].
        """
        raise TypeError(f"{type(self).__name__} does not say how it restores")

    def remarks(self) -> list[str]:
        """What happened while restoring that the user should know, such as tiles made smaller."""
        return []

    def _restored(self, batch: dict[str, Any]) -> Tensor:
        """Restore one image, and say what came of short memory."""
        try:
            restored = self.restore(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            mend = "use a device with more memory, or leave the picture out"
            raise CheckFailed(" ".join(str(error).split())[:200], where=str(batch["id"][0]), mend=mend) from None
        for remark in self.remarks():
            if remark not in self._told:
                self._told.add(remark)
                warnings.warn(remark, stacklevel=2)
        return restored

    def figures_of(self, batch: dict[str, Any], restored: Tensor) -> Mapping[str, float]:
        """Scores of one image that has a truth; subclasses may add theirs.

        Args:
            batch: One image.
            restored: (1, 3, H, W) in [0, 1].
        """
        truth = batch["hr"]
        ours, theirs = to_picture(restored[0]), to_picture(truth[0])
        values = {"psnr": psnr(ours, theirs), "ssim": ssim(ours, theirs)}
        # On what is saved, as the score of a submission will be.
        saved = restored.float().clamp(0, 1).mul(255).round().div(255)
        values["l1"] = float((saved - truth).abs().mean())
        if self.perceptual is not None:
            values[str(getattr(self.perceptual, "name", "perceptual"))] = float(self.perceptual(saved, truth)[0])
        return values

    def score_rows(self, split: str) -> list[ImageScore]:
        """Scores of the last evaluation of ``split``, all ranks together, each image once."""
        return self._rows.get(split, [])

    def on_validation_epoch_start(self) -> None:
        """Begin with no scores."""
        self._own, self.shown = [], []

    def on_test_epoch_start(self) -> None:
        """Begin with no scores."""
        self._own, self.shown = [], []

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Restore and score one image."""
        self._collect(batch, "val")

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Restore and score one image."""
        self._collect(batch, "test")

    def on_validation_epoch_end(self) -> None:
        """Log the means over the images of all ranks."""
        self._log_means("val")

    def on_test_epoch_end(self) -> None:
        """Log the means over the images of all ranks."""
        self._log_means("test")

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        """Restore one image; ``id`` and ``sr``, (1, 3, H, W) in [0, 1]."""
        return {"id": batch["id"], "sr": self._restored(batch)} if batch["id"] else {"id": []}

    def _collect(self, batch: dict[str, Any], split: str) -> None:
        if not batch["id"]:  # nothing could be read, or this rank has no image
            return
        restored = self._restored(batch)
        values = dict(self.figures_of(batch, restored)) if "hr" in batch else {}
        content = (batch.get("content") or batch["id"])[0]
        self._own.append(ImageScore(batch["id"][0], split, batch["domain"][0], content, values))
        if len(self.shown) < self.pictures:
            parts = [batch["lr"], restored, *([batch["hr"]] if "hr" in batch else [])]
            self.shown.append((batch["id"][0], [part[0].detach().float().cpu() for part in parts]))

    def _log_means(self, split: str) -> None:
        rows = {row.id: row for part in self._gathered(self._own) for row in part}
        self._rows[split] = [rows[id] for id in sorted(rows)]
        self._own = []
        names = sorted({name for row in rows.values() for name in row.values})
        means = {}
        for name in names:
            known = [row.values[name] for row in self._rows[split] if name in row.values]
            means[f"{split}/{name}"] = sum(known) / len(known)
        # Every rank computed the same means from the same rows, so nothing is to be synchronised.
        self.log_dict(means, rank_zero_only=False, batch_size=1)

    def _gathered(self, rows: list[ImageScore]) -> list[list[ImageScore]]:
        if self._trainer is None or self.trainer.world_size == 1:
            return [rows]
        parts: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(parts, rows)
        return parts
