"""What every training rule shares: the hooks, the optimiser and its schedule."""

import math
import os
from collections.abc import Iterable
from functools import partial
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.state_keys import refuse_keys
from records.hashing import seed_of


class CosineSchedule:
    """Linear warm-up, then half a cosine down to a share of the learning rate; stepped every optimiser step.

    Args:
        warmup: Share of all steps spent on the linear warm-up, 0..1.
        final: Learning rate at the last step as a share of the full one, 0..1.
    """

    def __init__(self, warmup: float = 0.05, final: float = 0.0) -> None:
        if not (0 <= warmup < 1 and 0 <= final <= 1):
            raise ValueError(f"warmup {warmup} must be in [0, 1) and final {final} in [0, 1]")
        self.warmup, self.final = warmup, final

    def factor(self, step: int, total: int) -> float:
        """Share of the learning rate used at ``step`` of ``total``."""
        warm = round(self.warmup * total)
        if step < warm:
            return (step + 1) / (warm + 1)
        progress = min(1.0, (step - warm) / max(1, total - warm))
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))


class BaseTask(L.LightningModule):
    """A LightningModule with one network, one optimiser and one score to select on.

    Subclasses fill ``configure_metrics`` and write their steps.

    Args:
        network: The network that is trained.
        optimizer: Optimiser, called with the parameter groups.
        schedule: Learning-rate schedule, or None for a constant rate.
        head_lr: Learning rate of everything but the branches as a multiple of the optimiser's.
    """

    monitor = "val/final_score"
    mode = "max"
    # Whether validate, test and predict want the weights of a fit; a frozen network brings its own.
    needs_checkpoint = True

    def __init__(
        self,
        network: nn.Module,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: CosineSchedule | None = None,
        head_lr: float = 1.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.optimizer, self.schedule, self.head_lr = optimizer, schedule, head_lr
        # Set before a fit that restores a checkpoint, which brings all weights anyway.
        self.resumes = False
        # Set before a validate, test or predict that restores one.
        self.checkpoint: str | None = None
        self._ready = False
        self._gradients: dict[str, Tensor] = {}
        # Figures of the GFLOPs budget check, for the run's summary.
        self.efficiency: dict[str, Any] = {}
        self.configure_metrics()

    @property
    def data(self) -> Any:
        """The data module of the run."""
        return self.trainer.datamodule  # type: ignore[attr-defined]

    def configure_metrics(self) -> None:
        """Build the metric objects, one for each evaluation split."""

    def configure_model(self) -> None:
        """Load pretrained weights when a fit begins, once, before weight averaging copies the network."""
        if self._ready or self.trainer.state.fn != "fit":
            return
        self._ready = True
        if not self.resumes:
            self.prepare_network()

    def prepare_network(self) -> None:
        """Load pretrained weights and whatever else a fresh network needs from the data."""

    def trained_parameters(self) -> Iterable[tuple[str, nn.Parameter]]:
        """Name and parameter of all that the optimiser may change."""
        return self.network.named_parameters()

    def configure_optimizers(self) -> Any:
        """One optimiser over the trainable parameters; norms and biases without weight decay."""
        optimizer = self.optimizer(parameter_groups(self.trained_parameters(), self._rate(), self.head_lr))
        if self.schedule is None:
            return optimizer
        total = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(self.schedule.factor, total=total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _rate(self) -> float:
        probe = self.optimizer([nn.Parameter(torch.zeros(1))])
        return float(probe.param_groups[0]["lr"])

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed dropout and stochastic depth from (seed, epoch, step, rank), so a resumed run draws the same."""
        seed = os.environ.get("PL_GLOBAL_SEED", "0")
        torch.manual_seed(seed_of("step", seed, self.current_epoch, batch_idx, self.global_rank))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep gradients that are being accumulated when the run is saved between two optimiser steps."""
        if self.trainer.state.fn == "fit" and self.trainer.accumulate_grad_batches > 1:
            loop = self.trainer.fit_loop.epoch_loop
            if loop.batch_progress.current.completed % self.trainer.accumulate_grad_batches:
                # Each rank has its own until the optimiser steps: (ranks, ...) for each parameter.
                checkpoint["accumulated_gradients"] = {
                    name: cast(Tensor, self.all_gather(value.grad)).reshape(-1, *value.shape).cpu()
                    for name, value in self.named_parameters()
                    if value.grad is not None
                }

    @property
    def origin(self) -> str:
        """The checkpoint that is being loaded, for messages."""
        path = None if self._trainer is None else self.trainer.ckpt_path
        return f"checkpoint {path}" if path else "checkpoint"

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse weights of something else in one sentence; take up accumulated gradients once training begins."""
        refuse_keys(self.state_dict(), checkpoint["state_dict"], self.origin)
        self._gradients = checkpoint.get("accumulated_gradients", {})

    def on_train_start(self) -> None:
        """Put accumulated gradients of a stopped run back."""
        for name, parameter in self.named_parameters():
            if name in self._gradients:
                ranks = self._gradients[name].to(parameter.device)
                # Their mean is what counts, should the run go on with another number of ranks.
                mine = ranks[self.global_rank] if len(ranks) == self.trainer.world_size else ranks.mean(dim=0)
                # In the parameter's memory layout: a norm over another one rounds differently.
                parameter.grad = torch.empty_like(parameter).copy_(mine)
        self._gradients = {}

    def gather(self, value: Tensor) -> Tensor:
        """Rows of ``value`` (batch, ...) from all ranks, with gradient; ``value`` itself on one rank.

        Batch statistics such as a correlation are then those of the whole batch. Backward sums over ranks and DDP
        divides by their number, so gradients equal the single-process ones.
        """
        if self._trainer is None or self.trainer.world_size == 1:
            return value
        gathered = cast(Tensor, self.all_gather(value, sync_grads=value.requires_grad))
        return gathered.flatten(0, 1)


def parameter_groups(named: Iterable[tuple[str, nn.Parameter]], rate: float, head_lr: float) -> list[dict[str, Any]]:
    """Trainable parameters grouped by decay and by part.

    Args:
        named: Name and parameter; names of trunk parameters begin with ``branches.``.
        rate: The optimiser's learning rate.
        head_lr: Multiple of ``rate`` for everything outside the branches.

    Returns:
        Groups for a torch optimiser; one-dimensional parameters carry ``weight_decay`` 0.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in named:
        if parameter.requires_grad:
            groups.setdefault((name.startswith("branches."), parameter.ndim > 1), []).append(parameter)
    result = []
    for (trunk, decays), parameters in groups.items():
        group: dict[str, Any] = {"params": parameters, "lr": rate if trunk else rate * head_lr}
        if not decays:
            group["weight_decay"] = 0.0
        result.append(group)
    return result
