"""Training rule of the fusion: two candidates of every image to one that is nearer to the truth than both."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.base import CosineSchedule
from lightning_modules.sr_task import SRTask
from losses.ssim import ssim_loss
from models.memory import give_back, is_out_of_memory
from models.sr.enhancer import Enhancer
from models.sr.resample import upsample
from records.errors import UserError

# Shares of the perceptual candidate among which the best constant blend is sought.
SHARES = tuple(step / 10 for step in range(11))


class NAFusionTask(SRTask):
    """A network that fuses the faithful and the perceptual candidate, trained on stored candidates.

    Loss: L1, SSIM and a perceptual distance (the terms are TACO SR's, arXiv 2504.15003; the weights are a reading). An
    evaluation batch holds ``psnr`` and ``per``, (1, 3, H, W) in [0, 1], besides what :class:`SRTask` names.
    Beside the mean absolute error of the result, those of both candidates are told (``l1_psnr``, ``l1_per``) and that
    of the best constant blend of them (``l1_blend``, with share ``blend_share``), which is chosen on the very images
    it is measured on: what the fusion is compared with knows more than the fusion.

    Args:
        network: Fusion: both candidates and perhaps the enlarged low-resolution image to an image.
        perceptual: Perceptual distance, trained and scored with; null, which the run's summary then says, for none.
        optimizer: Optimiser, called with the parameter groups.
        schedule: Learning-rate schedule, or None for a constant rate.
        l1: Weight of the mean absolute error.
        ssim: Weight of 1 - SSIM.
        perceptual_weight: Weight of the perceptual distance.
    """

    # What to type after an evaluation: a fusion enlarges nothing of its own.
    after = (
        "python -m experiments enhance IMAGE_OR_FOLDER --checkpoint BEST_OF_STAGE_SEMANTIC --fusion {checkpoint} "
        "--out enhanced"
    )

    def __init__(
        self,
        network: nn.Module,
        perceptual: nn.Module | None,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: CosineSchedule | None = None,
        l1: float = 1.0,
        ssim: float = 0.2,
        perceptual_weight: float = 0.1,
    ) -> None:
        super().__init__(network, optimizer, schedule, perceptual=perceptual, monitor="l1")
        self.l1, self.ssim = l1, ssim
        self.perceptual_weight = 0.0 if perceptual is None else perceptual_weight
        if min(l1, ssim, perceptual_weight) < 0 or not any((l1, ssim, self.perceptual_weight)):
            raise ValueError("l1, ssim and perceptual_weight must not be negative, and one must count")
        # A blend has nothing to load.
        self.needs_checkpoint = any(True for _ in network.parameters())
        name = "none" if perceptual is None else str(getattr(perceptual, "name", type(perceptual).__name__))
        self.figures = {"perceptual": name}
        self.told = {} if perceptual is not None else {"perceptual": "none: neither trained nor scored with one"}
        self._tiled = Enhancer(None, network)
        self._blends: list[tuple[str, list[float]]] = []

    def setup(self, stage: str) -> None:
        """Refuse to train what has no weights."""
        if stage == "fit" and not self.needs_checkpoint:
            raise UserError(
                f"{type(self.network).__name__} has nothing to train",
                where="model.init_args.network",
                mend="run validate, test or predict",
            )

    def fuse(self, batch: dict[str, Any]) -> Tensor:
        """Fuse the candidates of a batch: ``psnr``, ``per`` and, for a network that wants it, ``lr``.

        Returns:
            (b, 3, h, w), about in [0, 1].
        """
        faithful, lr = batch["psnr"], None
        if getattr(self.network, "lr", False):
            lr = upsample(batch["lr"], faithful.shape[-1] // batch["lr"].shape[-1])
        return self.network(faithful, batch["per"], lr)

    def restore(self, batch: dict[str, Any]) -> Tensor:
        """Fuse the candidates of one image, in tiles where memory runs out; see :class:`SRTask`."""
        try:
            return self.fuse(batch).clamp(0, 1)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        give_back()
        faithful = batch["psnr"]
        enlarged = upsample(batch["lr"], faithful.shape[-1] // batch["lr"].shape[-1])
        return self._tiled.fuse(faithful, batch["per"], enlarged)

    def remarks(self) -> list[str]:
        """Tiles that a picture had to be cut into."""
        return self._tiled.notes

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """One step on crops: ``psnr``, ``per``, ``hr`` and perhaps ``lr``."""
        fused, truth = self.fuse(batch).float(), batch["hr"]
        terms = {"l1": (self.l1, nn.functional.l1_loss(fused, truth))}
        if self.ssim:
            terms["ssim_loss"] = (self.ssim, ssim_loss(fused, truth))
        if self.perceptual is not None and self.perceptual_weight:
            terms[self.figures["perceptual"]] = (self.perceptual_weight, self.perceptual(fused, truth).mean())
        loss = torch.stack([weight * value for weight, value in terms.values()]).sum()
        told = {"loss": loss} | {name: value for name, (_, value) in terms.items()}
        self.log_dict({f"train/{name}": value.detach() for name, value in told.items()}, batch_size=len(truth))
        return loss

    def figures_of(self, batch: dict[str, Any], restored: Tensor) -> Mapping[str, float]:
        """Scores of one image, and the errors of its candidates."""
        faithful, perceptual, truth = batch["psnr"], batch["per"], batch["hr"]
        mixed = (faithful.lerp(perceptual, share).mul(255).round().div(255) for share in SHARES)
        blends = [float((image - truth).abs().mean()) for image in mixed]
        self._blends.append((batch["id"][0], blends))
        return {**super().figures_of(batch, restored), "l1_psnr": blends[0], "l1_per": blends[-1]}

    def on_validation_epoch_end(self) -> None:
        """Log the means over the images of all ranks."""
        self._choose_blend("val")
        super().on_validation_epoch_end()

    def on_test_epoch_end(self) -> None:
        """Log the means over the images of all ranks."""
        self._choose_blend("test")
        super().on_test_epoch_end()

    def _choose_blend(self, split: str) -> None:
        """Add the error of the best constant blend over all images to the scores of each."""
        own, self._blends = dict(self._blends), []
        parts: Any = self._gathered(list(own.items()))  # type: ignore[arg-type]
        everywhere = {id: errors for part in parts for id, errors in part}
        if not everywhere:
            return
        sums = [sum(errors[place] for errors in everywhere.values()) for place in range(len(SHARES))]
        best = sums.index(min(sums))
        for row in self._own:
            if row.id in own:
                row.values["l1_blend"] = own[row.id][best]
        self.log(f"{split}/blend_share", SHARES[best], rank_zero_only=False, batch_size=1)
