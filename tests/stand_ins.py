"""Branches and callbacks that misbehave on demand, for configurations of tests."""

import json
import shutil
from pathlib import Path

import lightning as L
import torch
from torch import Tensor

from models.vqa.timm_frames import TimmFrames


class PoisonedFrames(TimmFrames):
    """Makes nan of one video in some passes of training.

    Args:
        name: timm model.
        at: Numbers of the training passes of a process, from 0.
        rank: Only on this rank.
    """

    def __init__(self, name: str, at: list[int], rank: int = 0) -> None:
        super().__init__(name)
        self.at, self.rank, self.passes = at, rank, 0

    def forward(self, view: Tensor) -> Tensor:
        tokens = super().forward(view)
        if not (self.training and torch.is_grad_enabled()):
            return tokens * float("nan") if self.training and self._mine(self.passes - 1) else tokens
        self.passes += 1
        if self._mine(self.passes - 1):
            tokens = tokens.clone()
            tokens[0] = float("nan")
        return tokens

    def _mine(self, number: int) -> bool:
        ranks = torch.distributed.is_initialized()
        return number in self.at and (torch.distributed.get_rank() if ranks else 0) == self.rank


class HungryFrames(TimmFrames):
    """Has no memory for more than some frames in one pass.

    Args:
        name: timm model.
        most: Frames that fit in evaluation.
        training: Whether training has none either.
    """

    def __init__(self, name: str, most: int, training: bool = False) -> None:
        super().__init__(name)
        self.most, self.hungry = most, training

    def _tokens(self, frames: Tensor) -> Tensor:
        counted = frames.device.type == "meta"  # by the budget's check, which takes no memory
        if len(frames) > self.most and not counted and (self.hungry or not self.training):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super()._tokens(frames)


class FillDisk(L.Callback):
    """Fills a disk when an epoch begins, once.

    Args:
        ballast: File to fill it with.
        epoch: When.
        room: Bytes to leave.
    """

    def __init__(self, ballast: str, epoch: int, room: int) -> None:
        self.ballast, self.epoch, self.room = Path(ballast), epoch, room

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        done = self.ballast.with_suffix(".done")
        if trainer.current_epoch == self.epoch and not done.exists():
            done.touch()
            self.ballast.write_bytes(bytes(max(0, shutil.disk_usage(self.ballast.parent).free - self.room)))


class WeightsOfRanks(L.Callback):
    """Writes what each rank's weights sum to when training ends.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        sums = [float(value.detach().double().sum()) for value in pl_module.parameters()]
        (self.folder / f"rank-{trainer.global_rank}.json").write_text(json.dumps(sums))
