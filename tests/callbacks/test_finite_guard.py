"""A value that is not finite ends the run or costs one step, and is never saved."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from callbacks import finite_guard
from callbacks.finite_guard import FILE, FiniteGuard, NotFinite
from callbacks.non_finite import first_not_finite, gradients_finite, state_not_finite
from tests.callbacks.tiny_task import trainer

torch.set_num_threads(1)


class Burst(nn.Module):
    """Passes values on; inf for what lies above 100."""

    def forward(self, x):
        return torch.where(x > 100, math.inf, x)


class Root(nn.Module):
    """A root, taken where its slope is infinite; of large values only."""

    def forward(self, x):
        return (x - x).abs().sqrt() if bool((x.abs() > 1e3).any()) else x


class Task(L.LightningModule):
    """Ten samples of eight numbers, one a batch; those in ``bad`` are 1000 instead."""

    def __init__(self, odd: nn.Module | None = None, norm: bool = True):
        super().__init__()
        torch.manual_seed(0)
        middle = nn.BatchNorm1d(4) if norm else nn.Identity()
        self.network = nn.Sequential(nn.Linear(8, 4), middle, odd or Burst(), nn.Linear(4, 1))
        self.seen: list[int] = []
        self.total = torch.zeros(())

    def training_step(self, batch, index):
        loss = self.network(batch["x"]).square().mean()
        self.total = self.total + loss.detach()
        self.log("loss", loss.detach())
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), 1e-2, weight_decay=0.1)


class Data(L.LightningDataModule):
    def __init__(self, bad: tuple[int, ...] = (), value: float = math.nan, count: int = 10):
        super().__init__()
        self.bad, self.value, self.count = bad, value, count

    def train_dataloader(self):
        rows = []
        for place in range(self.count):
            x = torch.randn(4, 8, generator=torch.Generator().manual_seed(place))
            if place in self.bad:
                x[1] = self.value
            rows.append({"id": [f"clips/{place}-{row}.mp4" for row in range(4)], "x": x})
        return DataLoader(rows, batch_size=None)


def fit(folder: Path, task: L.LightningModule, data: Data, guard: FiniteGuard | None, *more: L.Callback, **options):
    own = [guard] if guard else []
    made = trainer(folder, *own, *more, max_epochs=1, enable_checkpointing=True, **options)
    made.fit(task, data)
    return made


def last(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(folder, filename="last", every_n_train_steps=2, save_on_exception=True)


def test_stop_names_batch_step_and_module_and_keeps_weights_and_checkpoint(tmp_path):
    task, data = Task(norm=False), Data((5,), 1e6)
    with pytest.raises(NotFinite) as told:
        fit(tmp_path, task, data, FiniteGuard(), last(tmp_path))
    text = str(told.value)
    assert "step 5 of epoch 0" in text and "network.2" in text and "inputs and targets are finite" in text
    assert "clips/5-0.mp4, clips/5-1.mp4" in text and "--guard.policy skip" in text and told.value.exit_code == 1
    assert all(bool(torch.isfinite(value).all()) for value in task.parameters())
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 4  # of the save before; the exception saved nothing
    (row,) = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert (row["step"], row["batch"], row["ids"][3]) == (5, 5, "clips/5-3.mp4")


def test_an_input_that_is_not_finite_is_told_as_such(tmp_path):
    with pytest.raises(NotFinite, match=r"x of the batch is not finite itself.*mend those samples"):
        fit(tmp_path, Task(), Data((2,), math.nan), FiniteGuard())


def test_a_gradient_that_is_not_finite_is_caught_before_the_step(tmp_path):
    task = Task(Root(), norm=False)
    before = [value.clone() for value in task.parameters()]
    with pytest.raises(NotFinite, match=r"gradient is not finite though the loss is, first that of network\.0\.weight"):
        fit(tmp_path, task, Data((0,), 1e6), FiniteGuard())
    assert all(torch.equal(old, new) for old, new in zip(before, task.parameters(), strict=True))


@pytest.mark.parametrize(("value", "odd", "norm"), [(math.nan, Burst, True), (1e6, Root, False)])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_skipped_step_changes_nothing(tmp_path, value, odd, norm, accumulate, capsys):
    # Batch norm's running statistics, the optimiser's moments and the task's own sum are part of it.
    bad = (4, 6)
    options = {"accumulate_grad_batches": accumulate}
    guard, task = FiniteGuard("skip"), Task(odd(), norm)
    made = fit(tmp_path / "guarded", task, Data(bad, value), guard, **options)
    spared = {4, 6} if accumulate == 1 else {4, 5, 6, 7}

    plain = Task(odd(), norm)
    other = trainer(tmp_path / "plain", max_epochs=1, **options)
    rows = Data(bad, value)
    good = [row for place, row in enumerate(rows.train_dataloader()) if place not in spared]
    other.fit(plain, DataLoader(good, batch_size=None))
    for name, kept in plain.state_dict().items():
        assert torch.equal(kept, task.state_dict()[name]), name
    assert torch.equal(plain.total, task.total)
    ours, theirs = (each.optimizers[0].state_dict()["state"] for each in (made, other))
    assert all(torch.equal(ours[0][name], theirs[0][name]) for name in theirs[0])
    assert guard.figures == {"skipped_steps": 2} and "left out" in guard.told
    assert capsys.readouterr().err.count("left out") == 2
    assert guard.state_dict()["row"] == 0


def test_too_many_skipped_steps_end_the_run(tmp_path):
    with pytest.raises(NotFinite, match="3 steps in a row had to be left out"):
        fit(tmp_path, Task(), Data((2, 4, 5, 6)), FiniteGuard("skip", in_a_row=3))
    bad = tuple(range(0, 120, 15))
    with pytest.raises(NotFinite, match=r"8 of 106 steps had to be left out"):
        fit(tmp_path, Task(), Data(bad, count=120), FiniteGuard("skip", share=0.06))


def assert_late_answer_saves_nothing(folder: Path, bad: int, **options) -> None:
    """A gradient heard of one step late: told for its own step, and the state it spoilt is not saved."""
    task = Task(Root(), norm=False)
    told = f"step {bad} of epoch 0: a gradient is not finite though the loss is; .*clips/{bad}-0.mp4"
    with pytest.raises(NotFinite, match=told):
        fit(folder, task, Data((bad,), 1e6), FiniteGuard(), last(folder), **options)
    assert not all(bool(torch.isfinite(value).all()) for value in task.parameters())
    saved = torch.load(folder / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 4 and all(bool(torch.isfinite(each).all()) for each in saved["state_dict"].values())


@pytest.mark.parametrize("bad", [4, 5])  # before a step, and before a save
def test_a_gradient_that_is_heard_of_late_is_still_never_saved(tmp_path, monkeypatch, bad):
    class Elsewhere(SimpleNamespace):
        device = SimpleNamespace(type="cuda")

    class Late:
        def __init__(self, value):
            self.value = getattr(value, "value", value)

        def read(self):
            return bool(self.value)

    monkeypatch.setattr(finite_guard, "gradients_finite", lambda each: Elsewhere(value=gradients_finite(each)))
    monkeypatch.setattr(finite_guard, "Flag", Late)
    assert_late_answer_saves_nothing(tmp_path, bad)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("bad", [4, 5])
def test_a_device_is_heard_of_late_and_nothing_spoilt_is_saved(tmp_path, bad):
    assert_late_answer_saves_nothing(tmp_path, bad, accelerator="gpu", devices=1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_device_leaves_a_step_out(tmp_path, precision):
    guard, task = FiniteGuard("skip"), Task()
    fit(tmp_path, task, Data((4, 6)), guard, accelerator="gpu", devices=1, precision=precision)
    assert guard.figures == {"skipped_steps": 2}
    assert all(bool(torch.isfinite(value).all()) for value in task.state_dict().values())


def test_off_watches_nothing(tmp_path):
    task = Task(norm=False)
    fit(tmp_path, task, Data((2,)), FiniteGuard("off"), last(tmp_path))
    assert not all(bool(torch.isfinite(value).all()) for value in task.parameters())


class Spoil(L.Callback):
    """Spoils a part of the state after some steps, without a trace in loss or gradient."""

    def __init__(self, part: str):
        self.part = part

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if batch_idx == 9:
            if self.part == "weight":
                pl_module.network[0].weight.data[0, 0] = math.inf
            elif self.part == "buffer":
                pl_module.network[1].running_mean[0] = math.nan
            else:
                trainer.optimizers[0].state[pl_module.network[0].weight]["exp_avg_sq"][0, 0] = math.inf


@pytest.mark.parametrize(
    ("part", "told"),
    [("weight", "network.0.weight"), ("buffer", "network.1.running_mean"), ("moment", "the optimiser's state")],
)
def test_a_state_that_is_not_finite_is_never_saved(tmp_path, part, told):
    with pytest.raises(NotFinite, match=f"{told}.* is not finite, so this state was not saved"):
        fit(tmp_path, Task(), Data(), FiniteGuard(), Spoil(part), last(tmp_path))
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 8


def test_infinities_that_belong_in_a_buffer_are_no_fault():
    module = L.LightningModule()
    module.register_buffer("mask", torch.tensor([0.0, -math.inf]))
    module.frozen = nn.Parameter(torch.tensor([math.inf]), requires_grad=False)
    assert state_not_finite(module, {"state_dict": module.state_dict()}) is None


def test_large_gradients_are_finite():
    parameter = nn.Parameter(torch.zeros(3))
    assert gradients_finite([parameter]) is None
    for values, finite in (([1e30, -1e30, 0.0], True), ([0.0, math.nan, 1.0], False), ([0.0, -math.inf, 1.0], False)):
        parameter.grad = torch.tensor(values)
        assert bool(gradients_finite([nn.Parameter(torch.zeros(2)), parameter])) is finite
    assert first_not_finite([("a", torch.tensor(1)), ("b", torch.tensor(math.nan))]) == "b"
