"""Four pairs of pictures and the smallest base: enough to follow both stages of the diffusion."""

from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from datamodules.loader import LateLoader
from datamodules.order import TrainOrder
from lightning_modules.diffusion_sr import DiffusionSR
from models.sr.backbone import DiffusionBackbone
from models.sr.one_step import OneStepSR

SIDE = 32


class Squared(nn.Module):
    """A perceptual distance that needs no weights, and remembers what it was shown."""

    name = "squared"

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        return (x - y).square().mean((1, 2, 3))


class Pairs(L.LightningDataModule):
    """Batches of two pairs over all ranks, in order; one whole picture of each domain to evaluate."""

    def __init__(self, count: int = 4, batch: int = 2) -> None:
        super().__init__()
        self.count, self.batch = count, batch

    def pair(self, index: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(index)
        hr = functional.interpolate(torch.rand(1, 3, 8, 8, generator=generator), (SIDE, SIDE), mode="bicubic")
        hr = hr.clamp(0, 1)[0]
        return {"id": f"{index}.png", "lr": functional.avg_pool2d(hr, 4), "hr": hr}

    def train_dataloader(self) -> DataLoader:
        world = self.trainer.world_size
        order = TrainOrder(
            [""] * self.count,
            self.batch // world,
            seed=0,
            rank=self.trainer.global_rank,
            world=world,
            progress=lambda: (self.trainer.current_epoch, self.trainer.fit_loop.batch_idx + 1),
        )
        return LateLoader(_Keyed(self), batch_size=self.batch // world, sampler=order)

    def val_dataloader(self) -> DataLoader:
        seen = {**self.pair(100), "domain": "synthetic", "scale": 4}
        wild = {"id": "wild.png", "lr": torch.rand(3, 13, 21), "domain": "wild", "scale": 1}
        return DataLoader([seen, wild], batch_size=1, collate_fn=_one)

    test_dataloader = predict_dataloader = val_dataloader


class _Keyed(Dataset):
    """Pairs by epoch and place."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        return self.pairs.pair(key[1])


def _one(samples: list[dict[str, Any]]) -> dict[str, Any]:
    (sample,) = samples
    pictures = {name: sample[name][None] for name in ("lr", "hr") if name in sample}
    return {"id": [sample["id"]], "domain": [sample["domain"]], "scale": sample["scale"], **pictures}


def network(rank: int = 2, **more: Any) -> OneStepSR:
    torch.manual_seed(0)
    return OneStepSR(DiffusionBackbone(shape="tiny", **more), rank_pixel=rank, rank_semantic=rank)


def task(stage: Any, rank: int = 2, rate: float = 1e-2, **more: Any) -> DiffusionSR:
    more.setdefault("optimizer", partial(torch.optim.AdamW, lr=rate, weight_decay=0.1))
    return DiffusionSR(more.pop("network", None) or network(rank), stage, **more)


def trainer(folder: Any, **more: Any) -> L.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "num_sanity_val_steps": 0}
    quiet |= {"enable_checkpointing": False, "use_distributed_sampler": False, "max_epochs": 1, "limit_val_batches": 0}
    return L.Trainer(accelerator="cpu", default_root_dir=folder, **quiet | more)
