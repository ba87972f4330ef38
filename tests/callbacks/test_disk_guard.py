"""Room for checkpoints is asked for before the first step, and a full disk keeps the last good one."""

import shutil
from collections import namedtuple

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from callbacks.disk_guard import DiskGuard, checkpoint_bytes
from callbacks.ema import EMA
from records.disk import DiskFull
from tests.callbacks.test_finite_guard import Data, Task
from tests.callbacks.tiny_task import trainer

Usage = namedtuple("Usage", "total used free")


def fit(folder, *callbacks):
    savers = [ModelCheckpoint(folder, filename=name, monitor=of) for name, of in (("best", "loss"), ("last", None))]
    made = trainer(folder, DiskGuard(folder), *callbacks, *savers, max_epochs=1, enable_checkpointing=True)
    made.fit(Task(), Data())
    return made


def test_the_forecast_is_near_what_is_written(tmp_path):
    made = fit(tmp_path, EMA(0.9))
    told, real = checkpoint_bytes(made, made.lightning_module), (tmp_path / "last.ckpt").stat().st_size
    tensors = torch.load(tmp_path / "last.ckpt", weights_only=True)
    held = sum(value.nbytes for part in ("state_dict", "current_model_state") for value in tensors[part].values())
    held += sum(value.nbytes for state in tensors["optimizer_states"][0]["state"].values() for value in state.values())
    # The optimiser also counts its steps, and a file has its envelope.
    assert told <= held <= 1.1 * told + 64 and real > told


@pytest.mark.parametrize(("room", "fits"), [(3.5, False), (4.5, True)])
def test_a_fit_that_will_not_fit_is_refused_before_its_first_step(tmp_path, monkeypatch, room, fits):
    # best, last, the one before the last, and the one being written.
    size = checkpoint_bytes(made := fit(tmp_path / "other"), made.lightning_module)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, int(room * size)))
    if fits:
        fit(tmp_path)
        return
    with pytest.raises(
        DiskFull, match=r"the run's checkpoints will take about .* free; make room, or give --run\.root"
    ):
        fit(tmp_path)
    assert not (tmp_path / "last.ckpt").exists()
    fit(tmp_path / "other")  # two are there: room for two is enough
