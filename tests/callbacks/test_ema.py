"""Averaged weights: swapped in for validation, and never saved the wrong way round."""

from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from callbacks.ema import EMA


class Task(L.LightningModule):
    """One weight that grows by one a step; validation notes what it sees, and may stop the run."""

    def __init__(self, stop: bool) -> None:
        super().__init__()
        self.weight, self.stop = torch.nn.Parameter(torch.zeros(1)), stop
        self.register_buffer("steps", torch.zeros(1))
        self.raw: list[float] = []
        self.validated: list[float] = []

    def training_step(self, batch, index):
        self.steps += 1
        return -self.weight.sum()

    def on_train_batch_end(self, outputs, batch, index):
        self.raw.append(float(self.weight))

    def validation_step(self, batch, index):
        self.validated.append(float(self.weight))
        if self.stop:
            raise KeyboardInterrupt

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)

    def train_dataloader(self):
        return DataLoader(range(3))

    def val_dataloader(self):
        return DataLoader(range(1))


def run(folder: Path, stop: bool) -> tuple[Task, dict]:
    task = Task(stop)
    saver = ModelCheckpoint(folder, "last", save_on_exception=True, enable_version_counter=False)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        callbacks=[EMA(0.5), saver],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    if stop:
        with pytest.raises(SystemExit):
            trainer.fit(task)
    else:
        trainer.fit(task)
    return task, torch.load(folder / "last.ckpt", weights_only=True)


# Raw weights 1, 2, 3; the average starts at 1, then (1 + 2) / 2, then (1.5 + 3) / 2.
AVERAGE = 2.25


@pytest.mark.parametrize("stop", [False, True])
def test_a_checkpoint_holds_the_average_and_the_raw_weights_under_their_names(tmp_path: Path, stop: bool) -> None:
    task, checkpoint = run(tmp_path, stop)
    assert task.raw == [1.0, 2.0, 3.0]
    assert task.validated == [AVERAGE]
    assert checkpoint["state_dict"]["weight"].tolist() == [AVERAGE]
    assert checkpoint["current_model_state"]["weight"].tolist() == [3.0]


def test_after_a_fit_the_module_holds_the_average_of_weights_and_buffers(tmp_path: Path) -> None:
    task, _ = run(tmp_path, stop=False)
    assert float(task.weight.detach()) == AVERAGE
    assert float(task.steps) == AVERAGE
