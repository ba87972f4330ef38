"""A training rule and data of eight numbers, with the hooks that callbacks rely on; scores are dictated per epoch."""

from collections.abc import Container, Sequence
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from datamodules.video.reader import VideoReader
from records.labels import Label
from records.predictions import Prediction

COUNT = 8


def label(index: int, split: str = "val") -> Label:
    return Label(f"{split}/{index:04d}.mp4", 1.0 + 0.5 * index, f"c{index // 2}", split)


class TinyData(L.LightningDataModule):
    split_hash = "0123abcd"

    def __init__(self, root: Path | str = ".", count: int = COUNT) -> None:
        super().__init__()
        self.root, self.reader, self.count = Path(root), "pyav", count
        self.left_out: Container[str] = ()

    def labels(self, split: str) -> list[Label]:
        return [label(index, split) for index in range(self.count)]

    def thumbnail(self, id: str) -> np.ndarray:
        with VideoReader(self.root / id) as reader:
            return next(iter(reader.pictures([0]))).rgb()

    def _loader(self) -> DataLoader:
        world = self.trainer.world_size if self.trainer else 1
        rank = self.trainer.global_rank if self.trainer else 0
        return DataLoader(range(rank, self.count, world), batch_size=2)

    train_dataloader = val_dataloader = test_dataloader = _loader

    def leave_out(self, done: Container[str]) -> None:
        self.left_out = done

    def predict_dataloader(self) -> DataLoader:
        places = [place for place in self._loader().dataset if f"predict/{place:04d}.mp4" not in self.left_out]
        return DataLoader(places, batch_size=2)


class TinyTask(L.LightningModule):
    """Validation number k scores ``scores[k]``, and its predictions are off by 1 - that score."""

    monitor = "val/final_score"

    def __init__(self, scores: Sequence[float] = (0.5,)) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.dictated, self.validations = list(scores), 0
        self.register_buffer("seen", torch.zeros(1))

    def training_step(self, batch, index):
        return self.layer(batch.float()[:, None]).square().mean()

    def validation_step(self, batch, index):
        pass

    def on_validation_epoch_end(self):
        if self.trainer.sanity_checking:
            self.log("val/final_score", 9.0)
            return
        self.log("val/final_score", self.dictated[int(self.seen)], rank_zero_only=False)
        self.seen += 1

    def test_step(self, batch, index):
        pass

    def predict_step(self, batch, index):
        return [(f"predict/{int(i):04d}.mp4", 10.0 + float(i)) for i in batch]

    def score_rows(self, split: str) -> list[Prediction]:
        if self.trainer.sanity_checking:
            return [Prediction("sanity.mp4", 0.0, 0.0, "label", "c", split)]
        off = 1 - self.dictated[max(0, int(self.seen) - 1)]
        labels = [label(index, split) for index in range(COUNT)]
        return [
            Prediction(row.id, row.score + (off * row.score) % 1, row.score, "label", row.content, split)
            for row in labels
        ]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-4)


def trainer(folder: Path, *callbacks: L.Callback, **options) -> L.Trainer:
    plain = {
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
    }
    return L.Trainer(default_root_dir=folder, callbacks=list(callbacks), **plain | options)
