"""Sixteen clips of four pixels from two sources, and a network small enough to follow by hand."""

from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.order import EvaluationOrder
from losses.combined import CombinedLoss, LossTerm
from losses.fidelity import FidelityLoss
from losses.memory_queue import MemoryQueue
from losses.mse import MSELoss
from losses.plcc import PLCCLoss
from losses.score_loss import ScoreLoss
from models.vqa.branch import Branch
from models.vqa.heads import MLPHead
from models.vqa.network import VQANetwork
from records.labels import Label

COUNT = 16


class Pixels(Branch):
    """A linear map of each frame."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.width = width
        self.map = torch.nn.Linear(12, width)

    def forward(self, view: Tensor) -> Tensor:
        return self.map(view.float().flatten(2) / 255)


class Clips(Dataset):
    """Clip k: noise, a score that follows its mean, and a content of four clips."""

    def __init__(self, origins: str) -> None:
        self.origins = origins

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, place: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(place)
        frames = torch.randint(0, 256, (2, 3, 2, 2), generator=generator, dtype=torch.uint8)
        return {
            "id": f"{place:02d}",
            "views": {"frames": frames, "teacher": torch.randn(3, 4, generator=generator).half()},
            "mos": frames.float().mean() / 64,
            "origin": {"l": "label", "p": "pseudo"}[self.origins[place]],
            "content": f"c{place // 4}",
        }


class TwoSources(L.LightningDataModule):
    """Batches of eight clips over all ranks: rank r of n takes the places r, r + n, ... of each."""

    shapes = {"frames": (2, 3, 2, 2)}  # noqa: RUF012
    train_shapes: dict[str, tuple[int, ...]] = {}  # noqa: RUF012
    pool: object | None = object()
    transductive = False

    def __init__(self, origins: str = "lplpllplpplplplp") -> None:
        super().__init__()
        self.clips = Clips(origins)

    def labels(self, split: str) -> list[Label]:
        return [Label(f"{place:02d}", 1.0, f"c{place // 4}", split) for place in range(COUNT)]

    def pairs(self, split: str) -> list[Any]:
        return []

    def label_stats(self) -> tuple[float, float]:
        return 2.0, 0.5

    def _loader(self) -> DataLoader:
        world, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        order = EvaluationOrder(len(self.clips), rank=rank, world=world)
        return DataLoader(self.clips, batch_size=8 // world, sampler=order)

    train_dataloader = val_dataloader = _loader


def network(seed: int = 0) -> VQANetwork:
    torch.manual_seed(seed)
    return VQANetwork({"frames": Pixels()}, MLPHead(hidden=6, dropout=0.0))


def losses() -> dict[str, ScoreLoss]:
    """Losses that look at the whole batch, at pairs of a content, and back at the batches before."""
    label = {"plcc": LossTerm(MemoryQueue(PLCCLoss(), size=32)), "mse": LossTerm(MSELoss(), 0.1)}
    pseudo = {"fidelity": LossTerm(FidelityLoss(same_content_only=True)), "mse": LossTerm(MSELoss(), 0.005)}
    return {"loss": CombinedLoss(label), "pool_loss": CombinedLoss(pseudo)}


def trainer(folder: Path | str, **options: Any) -> L.Trainer:
    plain = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
        "max_epochs": 2,
    }
    return L.Trainer(default_root_dir=folder, **plain | options)
