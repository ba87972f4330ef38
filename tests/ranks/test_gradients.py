"""Losses over the whole batch have the gradients of one process on any number of ranks; other ways to join do not."""

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import losses as folder_of_losses
from losses.score_loss import ScoreLoss
from tests.command import ROOT, environment
from tests.ranks import judges

torch.set_num_threads(1)


def kinds(kind: type) -> set[type]:
    return {kind, *(below for each in kind.__subclasses__() for below in kinds(each))}


def test_the_table_holds_every_loss_on_scores() -> None:
    for module in pkgutil.iter_modules(folder_of_losses.__path__):
        importlib.import_module(f"losses.{module.name}")
    ours = {kind for kind in kinds(ScoreLoss) if kind.__module__.startswith("losses.")} - {ScoreLoss}
    assert ours == {type(loss) for loss in judges.losses().values()}


@pytest.mark.parametrize("world", [pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.prove)])
def test_gradients_of_the_gathered_batch_are_those_of_one_process(
    tmp_path: Path, world: int, proven: Callable[[str, str], None]
) -> None:
    command = [sys.executable, "-m", "tests.ranks.judges", str(tmp_path), str(world)]
    done = subprocess.run(command, env=environment(), cwd=ROOT, timeout=900, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [torch.load(tmp_path / f"{world}-{rank}.pt") for rank in range(world)]
    apart = 0.0
    for name, (value, gradient) in judges.alone().items():
        assert gradient.abs().max() > 1e-3
        for ours in found:
            for way in ("gathered", "functional"):
                torch.testing.assert_close(ours[f"{name}|{way}"], (value, gradient), rtol=0, atol=1e-9)
                apart = max(apart, float((ours[f"{name}|{way}"][1] - gradient).abs().max()))
            # The gradient of the other ranks' rows is lost.
            told, part = ours[f"{name}|detached"]
            torch.testing.assert_close((told, part * world), (value, gradient), rtol=0, atol=1e-9)
            # A mean over rows is the only loss for which the mean of the ranks' losses will do.
            local = ours[f"{name}|local"][1]
            assert torch.allclose(local, gradient, rtol=0, atol=1e-9) == (name == "mse")
    proven(f"gradients on {world} ranks", f"{len(judges.losses())} losses, gradients apart by at most {apart:.1g}")
