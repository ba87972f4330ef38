"""The budget is checked before the first batch of every stage, on any number of ranks."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from callbacks.gflops_budget import GFLOPsBudget
from models.vqa.heads import MLPHead
from models.vqa.network import VQANetwork
from models.vqa.timm_frames import TimmFrames
from records.errors import CheckFailed, UserError

torch.set_num_threads(1)


class Task(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = VQANetwork({"frames": TimmFrames("test_efficientnet")}, MLPHead(hidden=8))
        self.steps = 0

    def training_step(self, batch, batch_idx):
        self.steps += 1
        return self.network({"frames": batch}).mean()

    def validation_step(self, batch, batch_idx):
        self.steps += 1

    test_step = predict_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Data(L.LightningDataModule):
    def __init__(self, **shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.shapes = shapes or {"frames": (2, 3, 64, 64)}
        self.opened = 0

    def train_dataloader(self):
        self.opened += 1
        return DataLoader(torch.zeros(2, 2, 3, 64, 64), batch_size=2)

    val_dataloader = test_dataloader = predict_dataloader = train_dataloader


def trainer(folder: Path, budget: GFLOPsBudget, **options) -> L.Trainer:
    quiet = {"enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False}
    return L.Trainer(
        accelerator="cpu",
        max_steps=1,
        default_root_dir=folder,
        logger=CSVLogger(folder),
        callbacks=[budget],
        **quiet,
        **options,
    )


@pytest.mark.parametrize("stage", ["fit", "validate", "test", "predict"])
def test_over_budget_no_batch_is_read(tmp_path: Path, stage: str) -> None:
    task, data = Task(), Data()
    with pytest.raises(CheckFailed) as caught:
        getattr(trainer(tmp_path, GFLOPsBudget(max_gmacs=1e-4)), stage)(task, datamodule=data)
    told = str(caught.value)
    assert caught.value.exit_code == 1 and data.opened == task.steps == 0
    for word in (
        "budget of 0.0001",
        "frames 0.0",
        "data.init_args.views.frames",
        "model.init_args.network.init_args.branches.frames",
        "budget.enforce: false",
    ):
        assert word in told


def test_within_budget_the_figures_are_published(tmp_path: Path) -> None:
    task, data = Task(), Data()
    run = trainer(tmp_path, GFLOPsBudget(), limit_val_batches=0)
    run.fit(task, datamodule=data)
    assert task.steps == 1
    assert set(task.efficiency) == {
        "gmacs",
        "gflops",
        "params_m",
        "activation_mb",
        "branches",
        "uncounted",
        "counters",
    }
    assert 0 < task.efficiency["gmacs"] < 1
    assert run.logger.experiment.hparams["efficiency"] == task.efficiency


def test_a_network_left_over_budget_only_warns(tmp_path: Path) -> None:
    task = Task()
    with pytest.warns(UserWarning, match=r"budget of 0\.0001.*enforce is false"):
        trainer(tmp_path, GFLOPsBudget(1e-4, enforce=False), limit_val_batches=0).fit(task, datamodule=Data())
    assert task.steps == 1


def test_without_a_limit_it_only_counts(tmp_path: Path) -> None:
    task = Task()
    trainer(tmp_path, GFLOPsBudget(None), limit_val_batches=0).fit(task, datamodule=Data())
    assert task.steps == 1 and task.efficiency["gmacs"] > 0


def test_views_that_do_not_belong_to_the_network_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"branch 'frames' has no view; view 'frame' has no branch") as caught:
        trainer(tmp_path, GFLOPsBudget()).fit(Task(), datamodule=Data(frame=(2, 3, 64, 64)))
    assert caught.value.exit_code == 2


def test_a_cost_that_cannot_be_told_ends_the_run(tmp_path: Path, monkeypatch) -> None:
    task = Task()
    monkeypatch.setattr(task.network.head, "standardised", lambda tokens: tokens.mean((1, 2)) * float(tokens.sum()))
    with pytest.raises(UserError, match=r"shapes alone.*budget\.enforce: false"):
        trainer(tmp_path, GFLOPsBudget()).fit(task, datamodule=Data())


def test_the_network_stays_as_it_was(tmp_path: Path) -> None:
    task = Task()
    before = {name: value.clone() for name, value in task.state_dict().items()}
    with pytest.raises(CheckFailed):
        trainer(tmp_path, GFLOPsBudget(1e-4)).fit(task, datamodule=Data())
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())


def test_another_tasks_module_is_left_alone(tmp_path: Path) -> None:
    task, data = Task(), Data()
    del task.network
    GFLOPsBudget(1e-4).setup(SimpleNamespace(datamodule=data), task, "fit")  # type: ignore[arg-type]


def test_every_rank_follows_rank_zero() -> None:
    # A rank that counts nothing itself still gets the figures and ends the run.
    figures = {"gmacs": 130.0, "branches": {"frames": {"gmacs": 130.0}}}
    strategy = SimpleNamespace(broadcast=lambda answer, src: (figures, "", ""))
    other = SimpleNamespace(is_global_zero=False, strategy=strategy, loggers=[], datamodule=Data())
    task = Task()
    with pytest.raises(CheckFailed, match="130"):
        GFLOPsBudget().setup(other, task, "fit")  # type: ignore[arg-type]
    assert task.efficiency == figures


def test_limits_that_nothing_can_meet_are_refused() -> None:
    with pytest.raises(ValueError, match="max_gmacs"):
        GFLOPsBudget(0.0)


TWO_RANKS = """
import sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
from test_gflops_budget import Data, GFLOPsBudget, Task, trainer
from records.errors import CheckFailed

if __name__ == "__main__":
    run = trainer(Path({folder!r}), GFLOPsBudget(1e-4), devices=2, strategy="ddp")
    try:
        run.fit(Task(), datamodule=Data())
    except CheckFailed as error:
        Path({folder!r}, f"rank{{run.global_rank}}").write_text(str(error))
        sys.exit(error.exit_code)
"""


@pytest.mark.slow
def test_two_ranks_end_with_the_same_sentence(tmp_path: Path) -> None:
    script = tmp_path / "two_ranks.py"
    script.write_text(TWO_RANKS.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr[-2000:]
    first, second = ((tmp_path / f"rank{rank}").read_text() for rank in (0, 1))
    assert first == second and "budget of 0.0001" in first
