"""Training on numbers only: a loss, a gradient or a state that is not finite ends the run, or costs one step."""

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
import torch.distributed
from torch import Tensor

from callbacks.non_finite import (
    PASSED_ON,
    Flag,
    first_module,
    first_not_finite,
    gradients_finite,
    state_not_finite,
    tensors,
)
from records.errors import CheckFailed
from records.files import append_line

FILE = "not_finite.jsonl"
_MEND = "lower the learning rate or clip gradients (--trainer.gradient_clip_val 1)"
_SKIP = ", or leave such steps out (--guard.policy skip)"
_GRADIENT = "a gradient is not finite though the loss is"
# Steps after which a share of them says something.
_ENOUGH = 100


class NotFinite(CheckFailed):
    """A loss, a gradient or a state is not finite."""


@dataclass(frozen=True)
class Finding:
    """One hit.

    Args:
        step: Optimiser steps before it.
        epoch: Epoch, from 0.
        batch: Batch of the epoch, from 0.
        rank: Rank that had it; -1 for all together.
        ids: The batch's ids.
        what: What is not finite.
        began: Where it began: a parameter, or a module; empty where that is not known.
        given: What of the batch itself was not finite already; empty for nothing.
    """

    step: int
    epoch: int
    batch: int
    rank: int
    ids: list[str]
    what: str = ""
    began: str = ""
    given: str = ""

    def __str__(self) -> str:
        shown = ", ".join(self.ids[:8]) + (f" and {len(self.ids) - 8} more" if len(self.ids) > 8 else "")
        given = f"{self.given} of the batch is not finite itself" if self.given else "inputs and targets are finite"
        return f"{self.what}{self.began}; {given}; batch {self.batch}: {shown or 'without ids'}"


@dataclass
class Kept:
    """What a training step changes beside weights: buffers, such as running statistics, and sums in attributes.

    Args:
        live: The buffers.
        saved: Their values.
        attributes: Tensors and numbers among the task's attributes.
    """

    live: list[Tensor]
    saved: list[Tensor]
    attributes: dict[str, Any]

    @classmethod
    def of(cls, module: L.LightningModule) -> "Kept":
        """What ``module`` holds now."""
        stored = module.state_dict(keep_vars=True).keys()
        live = [value for name, value in module.named_buffers() if name in stored]
        plain = {name: value for name, value in vars(module).items() if isinstance(value, Tensor | int | float)}
        return cls(live, [value.clone() for value in live], plain)

    def restore(self, module: L.LightningModule) -> None:
        """Put it back."""
        for value, saved in zip(self.live, self.saved, strict=True):
            value.copy_(saved)
        vars(module).update(self.attributes)


class FiniteGuard(L.Callback):
    """Watch loss, gradients and what is saved.

    Under either policy no checkpoint is written whose weights, buffers or optimiser state are not finite. The loss is
    looked at after every backward, behind kernels that are queued already, so that no device idles; gradients before
    every optimiser step, on a CUDA device under ``stop`` one step later. Where fp16 scales the loss, gradients are the
    scaler's to judge: an overflow there is no fault.

    Args:
        policy: ``stop`` ends the run, telling batch, step and the module it began in; ``skip`` leaves the optimiser
            step out on all ranks alike; ``off`` watches nothing.
        in_a_row: With ``skip``, so many steps left out one after the other end the run.
        share: With ``skip``, this share of all steps left out ends the run, 0..1, from the hundredth step on.

    Attributes:
        figures: What the summary says of steps that were left out.
        told: What the end screen says of them.
    """

    def __init__(
        self, policy: Literal["stop", "skip", "off"] = "stop", in_a_row: int = 10, share: float = 0.05
    ) -> None:
        if in_a_row < 1 or not 0 < share <= 1:
            raise ValueError(f"in_a_row {in_a_row} must be at least 1 and share {share} in (0, 1]")
        self.policy, self.in_a_row, self.share = policy, in_a_row, share
        self.steps = self.skipped = self.row = 0
        self._batch: Any = None
        self._place = (0, 0, 0)
        self._loss: tuple[Tensor, Flag] | None = None
        self._gradient: tuple[Flag, Finding] | None = None
        self._kept: Kept | None = None
        self._finding: Finding | None = None

    @property
    def figures(self) -> dict[str, Any]:
        """Steps left out, where there are any."""
        return {"skipped_steps": self.skipped} if self.skipped else {}

    @property
    def told(self) -> dict[str, str]:
        """The same in words."""
        if not self.skipped:
            return {}
        return {"left out": f"{self.skipped} of {self.steps} steps, whose values were not finite; {FILE} lists them"}

    def state_dict(self) -> dict[str, int]:
        """Counts so far."""
        return {"steps": self.steps, "skipped": self.skipped, "row": self.row}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore them."""
        self.steps, self.skipped, self.row = state["steps"], state["skipped"], state["row"]

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, index: int) -> None:
        """Remember the batch, and what the step will change."""
        self._batch, self._place = batch, (trainer.global_step, trainer.current_epoch, index)
        if self.policy == "skip" and self._kept is None:
            self._kept = Kept.of(pl_module)

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        """Ask about the loss, of all ranks."""
        if self.policy == "off":
            return
        finite = torch.isfinite(loss.detach()).all()
        if trainer.world_size > 1:
            agreed = finite.int()
            torch.distributed.all_reduce(agreed, torch.distributed.ReduceOp.MIN)
            finite = agreed.bool()
        self._loss = loss.detach(), Flag(finite)

    def on_after_backward(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Hear the answer; the backward is queued by now."""
        self._settle(trainer)
        if self._loss is None:
            return
        (loss, flag), self._loss = self._loss, None
        if flag.read():
            return
        spoilt = first_not_finite(pl_module.named_parameters())
        module = first_module(trainer, pl_module, self._batch, self._place[2])
        finding = None
        if not bool(torch.isfinite(loss).all()):
            what = "the loss is " + ("nan" if bool(torch.isnan(loss).any()) else "infinite")
            began = f", first in the output of {module}" if module else ""
            if spoilt is not None:
                began = f", and the parameter {spoilt} was not finite before"
            finding = replace(self._context(trainer), what=what, began=began, given=self._given())
        self._hit(trainer, finding)

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Ask about the gradients, which are those of all ranks, and leave the step out where that is the policy."""
        if self.policy == "off":
            return
        self.steps += 1
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        if self._finding is None and getattr(trainer.precision_plugin, "scaler", None) is None:
            finite = gradients_finite(parameters)
            if finite is not None:
                context = self._context(trainer)
                self._gradient = Flag(finite), replace(context, what=_GRADIENT)
                if self.policy == "skip" or finite.device.type != "cuda":
                    self._settle(trainer, pl_module)
        if self._finding is None:
            self.row, self._kept = 0, None
            return
        # Without gradients an optimiser changes neither weights nor its own state.
        for each in parameters:
            each.grad = None
        if self._kept is not None:
            self._kept.restore(pl_module)
        self._leave_out(trainer)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Let go of the batch."""
        self._batch = None

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Hear the last answer."""
        self._settle(trainer)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Refuse to save a state that is not finite."""
        if self.policy == "off":
            return
        self._settle(trainer)
        bad = state_not_finite(pl_module, checkpoint)
        if bad is not None:
            where = f"step {trainer.global_step} of epoch {trainer.current_epoch}"
            raise NotFinite(f"{bad} is not finite, so this state was not saved", where=where, mend=_MEND)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Keep the last good checkpoint as it is; the callbacks that save come after this one."""
        if isinstance(exception, NotFinite):
            for callback in trainer.checkpoint_callbacks:
                callback.save_on_exception = False  # type: ignore[attr-defined]

    def _context(self, trainer: L.Trainer) -> Finding:
        ids = self._batch.get("id", ()) if isinstance(self._batch, dict) else ()
        return Finding(*self._place, trainer.global_rank, [str(id) for id in ids])

    def _given(self) -> str:
        named = tensors(self._batch)
        return ", ".join(name for name, value in named if first_not_finite([(name, value)]) is not None)

    def _settle(self, trainer: L.Trainer, module: L.LightningModule | None = None) -> None:
        """Hear about the gradients of the last step; with ``module``, they and their batch are still there."""
        if self._gradient is None:
            return
        (flag, finding), self._gradient = self._gradient, None
        if flag.read():
            return
        if module is not None:
            name = first_not_finite((name, p.grad) for name, p in module.named_parameters() if p.grad is not None)
            finding = replace(finding, began=f", first that of {name}", given=self._given())
        self._hit(trainer, finding)

    def _hit(self, trainer: L.Trainer, finding: Finding | None) -> None:
        """Agree on what was found, note it, and end the run where that is the policy."""
        parts: list[Any] = [finding]
        if trainer.world_size > 1:
            parts = [None] * trainer.world_size
            torch.distributed.all_gather_object(parts, finding)
        known: list[Finding] = [each for each in parts if each is not None]
        # What a rank gathers from the others is not finite there either, but did not begin there.
        self._finding = max(known, key=lambda each: (bool(each.given), each.began != "", PASSED_ON not in each.began))
        if self._finding.what == _GRADIENT and trainer.world_size > 1:
            # Ranks only know the sum of all.
            self._finding = replace(self._finding, rank=-1, ids=[id for each in known for id in each.ids])
            known = [self._finding]
        if trainer.is_global_zero:
            for each in known:
                append_line(Path(trainer.default_root_dir, FILE), asdict(each))
        if self.policy == "stop":
            mend = "mend those samples" if self._finding.given else _MEND
            raise NotFinite(str(self._finding), where=_where(self._finding, trainer), mend=mend + _SKIP)

    def _leave_out(self, trainer: L.Trainer) -> None:
        finding, self._finding = self._finding, None
        assert finding is not None
        self.skipped, self.row = self.skipped + 1, self.row + 1
        where = _where(finding, trainer)
        if trainer.is_global_zero:
            print(f"{where} left out: {finding}", file=sys.stderr)
        many = f"{self.row} steps in a row" if self.row >= self.in_a_row else ""
        if self.steps >= _ENOUGH and self.skipped > self.share * self.steps:
            many = f"{self.skipped} of {self.steps} steps"
        if many:
            raise NotFinite(f"{many} had to be left out, the last because {finding}", where=where, mend=_MEND)


def _where(finding: Finding, trainer: L.Trainer) -> str:
    rank = f", rank {finding.rank}" if trainer.world_size > 1 and finding.rank >= 0 else ""
    return f"step {finding.step} of epoch {finding.epoch}{rank}"
