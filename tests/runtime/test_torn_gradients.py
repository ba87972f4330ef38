"""An error between two steps of the optimiser does not make the run that goes on count a gradient twice."""

from pathlib import Path

import lightning as L
import pytest
import torch

from lightning_modules.diffusion_sr import DiffusionSR
from runtime.saved_epochs import LastEpoch
from tests.lightning_modules.two_stages import Pairs, task, trainer


class Fails(L.Callback):
    """Memory runs out behind the backward pass of one batch of the second epoch."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def on_after_backward(self, trainer, module):
        if (trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_idx) == (1, self.batch):
            raise MemoryError("out of memory")


def run(folder: Path, *callbacks: L.Callback, **more) -> DiffusionSR:
    """Two epochs of six batches, of which three make a step."""
    model = task("pixel")
    trainer(folder, max_epochs=2, accumulate_grad_batches=3, enable_checkpointing=True, callbacks=[*callbacks]).fit(
        model, Pairs(count=6, batch=1), **more
    )
    return model


@pytest.mark.parametrize(("batch", "epoch"), [(4, 0), (3, 1)])
def test_a_batch_that_fails_is_not_added_twice(tmp_path: Path, batch: int, epoch: int) -> None:
    whole = run(tmp_path).state_dict()
    when = {"save_on_exception": True, "save_on_train_epoch_end": True, "enable_version_counter": False}
    with pytest.raises(MemoryError):
        run(tmp_path, Fails(batch), LastEpoch(dirpath=tmp_path, filename="last", **when))
    # In the middle of an accumulation the checkpoint before stays; a batch that begins one is done again.
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == epoch
    again = run(tmp_path, ckpt_path=tmp_path / "last.ckpt").state_dict()
    assert [name for name in whole if not torch.equal(whole[name], again[name])] == []
