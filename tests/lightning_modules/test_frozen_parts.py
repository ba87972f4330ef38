"""A frozen branch stays in the file it came from; a checkpoint names it by hash and refuses another one."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from callbacks.ema import EMA
from lightning_modules.trained_network import put_network
from lightning_modules.vqa_student import VQAStudent
from models.vqa.fusion import ConcatFusion
from models.vqa.heads import MLPHead
from models.vqa.network import VQANetwork
from records.checkpoints import read_checkpoint
from records.errors import UserError
from tests.lightning_modules.two_sources import Pixels, TwoSources, losses, trainer

torch.set_num_threads(1)
FROZEN = {f"network.branches.expert.map.{kind}" for kind in ("weight", "bias")}


class Expert(Pixels):
    """A map that a file holds and no step changes."""

    def __init__(self, file: Path) -> None:
        super().__init__(4)
        self.file = file
        self.map.requires_grad_(False)

    def load_pretrained(self) -> str:
        if not self.file.is_file():
            raise FileNotFoundError(f"no such file of weights: {self.file}")
        self.map.load_state_dict(torch.load(self.file, weights_only=True))
        return str(self.file)


class Clips(TwoSources):
    shapes = {"frames": (2, 3, 2, 2), "expert": (2, 3, 2, 2)}  # noqa: RUF012

    def on_after_batch_transfer(self, batch: Any, place: int) -> Any:
        return {**batch, "views": {**batch["views"], "expert": batch["views"]["frames"]}}


def network(folder: Path) -> VQANetwork:
    torch.manual_seed(0)
    branches = {"frames": Pixels(), "expert": Expert(folder / "expert.pth")}
    return VQANetwork(branches, MLPHead(hidden=6, dropout=0.0), ConcatFusion())


def write_expert(folder: Path, seed: int = 5) -> None:
    torch.manual_seed(seed)
    torch.save(torch.nn.Linear(12, 4).state_dict(), folder / "expert.pth")


def fit(folder: Path, epochs: int, resume: Path | None = None, **more: Any) -> VQAStudent:
    task = VQAStudent(network(folder), **losses(), optimizer=partial(torch.optim.AdamW, lr=0.01), **more)
    task.resumes = resume is not None
    saver = ModelCheckpoint(folder, "last", enable_version_counter=False)
    run = trainer(folder, max_epochs=epochs, callbacks=[EMA(0.5), saver], enable_checkpointing=True)
    run.fit(task, Clips(), ckpt_path=resume)
    return task


def test_frozen_weights_are_left_out_and_come_back(tmp_path: Path) -> None:
    write_expert(tmp_path)
    task = fit(tmp_path, 1)
    held = read_checkpoint(tmp_path / "last.ckpt", "checkpoint")
    assert held["frozen"]["expert"]["source"] == str(tmp_path / "expert.pth")
    for part in ("state_dict", "current_model_state"):
        assert FROZEN.isdisjoint(held[part])
        assert {"network.branches.frames.map.weight", "network.head.layers.0.weight"} & held[part].keys()
    fresh = network(tmp_path)
    put_network(held, fresh, "checkpoint")
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in task.network.state_dict().items())


def test_a_resumed_fit_and_one_that_begins_from_it_stand_on_the_same(tmp_path: Path) -> None:
    write_expert(tmp_path)
    whole = fit(tmp_path, 2).state_dict()
    fit(tmp_path, 1)
    again = fit(tmp_path, 2, tmp_path / "last.ckpt")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.items())
    heir = fit(tmp_path, 1, init_from=str(tmp_path / "last.ckpt"))
    assert heir.frozen == again.frozen
    assert FROZEN.isdisjoint(read_checkpoint(tmp_path / "last.ckpt", "checkpoint")["state_dict"])


def test_another_base_is_refused_with_both_hashes(tmp_path: Path) -> None:
    write_expert(tmp_path)
    told = fit(tmp_path, 1).frozen["expert"]["sha256"]
    write_expert(tmp_path, seed=6)
    with pytest.raises(UserError, match=rf"branch 'expert' has the hash {told}, and the weights there [0-9a-f]{{64}}"):
        fit(tmp_path, 2, tmp_path / "last.ckpt")
    (tmp_path / "expert.pth").unlink()
    with pytest.raises(UserError, match=r"no such file of weights.*put the weights back"):
        fit(tmp_path, 2, tmp_path / "last.ckpt")


def test_what_trains_is_still_wanted(tmp_path: Path) -> None:
    write_expert(tmp_path)
    fit(tmp_path, 1)
    held = read_checkpoint(tmp_path / "last.ckpt", "checkpoint")
    del held["state_dict"]["network.branches.frames.map.bias"]
    torch.save(held, tmp_path / "cut.ckpt")
    with pytest.raises(UserError, match=r"1 missing: network\.branches\.frames\.map\.bias"):
        fit(tmp_path, 2, tmp_path / "cut.ckpt")
