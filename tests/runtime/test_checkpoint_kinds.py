"""Every kind of checkpoint that a fit writes is plain values, sealed, and without the base that did not train."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from callbacks.ema import EMA
from callbacks.run_facts import KEY, RunFacts
from lightning_modules.controlnet_sr import ControlNetSR
from lightning_modules.nafusion import NAFusionTask
from lightning_modules.vqa_student import VQAStudent
from lightning_modules.vqa_teacher import VQATeacher
from losses.feature_distillation import FeatureDistillation
from losses.mse import MSELoss
from models.sr.backbone import DiffusionBackbone
from models.sr.controlled import ControlledSR
from models.sr.nafusion import NAFusion
from models.sr.semantic_encoders import TinyEncoder
from records.seal import is_unbroken
from runtime.checkpoint_io import SafeCheckpointIO
from runtime.options import CheckpointOptions
from runtime.saved_epochs import savers
from tests.lightning_modules import test_nafusion, two_sources, two_stages

torch.set_num_threads(1)
ADAM = partial(torch.optim.AdamW, lr=1e-3)
CONFIG = {"model": {"class_path": "x"}, "data": {"init_args": {"views": {}, "reader": "pyav"}}}


class Sources(two_sources.TwoSources):
    train_shapes = {"teacher": (3, 4)}  # noqa: RUF012
    split_hash, pool = "0", None


def student() -> Any:
    distill = FeatureDistillation("teacher", 4)
    return VQAStudent(two_sources.network(), **two_sources.losses(), optimizer=ADAM, distill=distill), Sources()


def teacher() -> Any:
    return VQATeacher(two_sources.network(), MSELoss(), optimizer=ADAM), Sources()


def pixel() -> Any:
    return two_stages.task("pixel"), two_stages.Pairs()


def semantic() -> Any:
    return two_stages.task("semantic", pixel_adapter=False), two_stages.Pairs()


def controlnet() -> Any:
    torch.manual_seed(0)
    network = ControlledSR(DiffusionBackbone(shape="tiny"), TinyEncoder(5, 6))
    return ControlNetSR(network, optimizer=ADAM), two_stages.Pairs()


def fusion() -> Any:
    found = test_nafusion.rows(2)

    class Crops(L.LightningDataModule):
        def train_dataloader(self) -> DataLoader:
            return DataLoader([test_nafusion.crops(found)] * 3, batch_size=None)

    return NAFusionTask(NAFusion("S"), None, optimizer=ADAM), Crops()


@pytest.mark.parametrize("made", [student, teacher, pixel, semantic, controlnet, fusion])
def test_it_loads_without_unpickling_code(made: Any, tmp_path: Path) -> None:
    task, data = made()
    callbacks = [EMA(0.5), RunFacts(CONFIG), *savers(tmp_path, CheckpointOptions(minutes=None), task)]
    fit = two_sources.trainer(
        tmp_path, max_epochs=1, callbacks=callbacks, enable_checkpointing=True, plugins=[SafeCheckpointIO()],
        limit_val_batches=0, accumulate_grad_batches=2,
    )  # fmt: skip
    fit.fit(task, data)
    path = tmp_path / "last.ckpt"
    held = torch.load(path, weights_only=True)
    assert is_unbroken(path) and held[KEY]["environment"]
    trained = {name for name, value in task.named_parameters() if value.requires_grad}
    assert trained <= held["state_dict"].keys() == held["current_model_state"].keys()
    if made in (pixel, semantic, controlnet):
        assert not [name for name in held["state_dict"] if ".vae." in name or ".mix." in name]
        assert len(held["adapters"]["base_weights"]) == 64
    # Whatever Lightning is told to ask for.
    assert SafeCheckpointIO().load_checkpoint(path, weights_only=False).keys() == held.keys()
    torch.save({"state_dict": {}, "code": Path("x")}, path)
    with pytest.raises(Exception, match="only tensors and plain values are read"):
        SafeCheckpointIO().load_checkpoint(path, weights_only=False)
