"""A training step leaves no constant behind on the CPU; told by a device on which torch computes shapes alone."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.controlnet_sr import ControlNetSR
from lightning_modules.diffusion_sr import DiffusionSR
from lightning_modules.nafusion import NAFusionTask
from losses.perceptual import STLPIPS
from models.sr.backbone import DiffusionBackbone
from models.sr.controlled import ControlledSR
from models.sr.nafusion import NAFusion
from models.sr.one_step import OneStepSR
from models.sr.semantic_encoders import TinyEncoder
from models.vqa.fast_path import FastPath
from models.vqa.fusion import PooledConcat
from models.vqa.heads import MLPHead
from models.vqa.network import VQANetwork
from models.vqa.timm_frames import TimmFrames
from tests.gpu.placement import Copies, elsewhere

torch.set_num_threads(1)
DEVICE = torch.device("meta")
BATCH = 2


def one_step() -> OneStepSR:
    return OneStepSR(DiffusionBackbone(), rank_pixel=1, rank_semantic=1)


TASKS: dict[str, Any] = {
    "pixel": lambda: DiffusionSR(one_step(), "pixel"),
    "semantic": lambda: DiffusionSR(
        one_step(), "semantic", perceptual=STLPIPS(), csd=0.5, latent_l2=0.1, decode_crop=2
    ),
    "control": lambda: ControlNetSR(ControlledSR(DiffusionBackbone(), TinyEncoder())),
    "fusion": lambda: NAFusionTask(NAFusion("S"), STLPIPS()),
}


def there(*shape: int) -> Tensor:
    return torch.rand(shape, device=DEVICE)


@pytest.mark.parametrize("name", TASKS)
def test_a_step_copies_nothing_but_what_it_draws_for_each_sample(name: str) -> None:
    task = TASKS[name]().to(DEVICE)
    task.log = task.log_dict = lambda *_, **__: None
    assert elsewhere(task, DEVICE) == []
    big = {key: there(BATCH, 3, 32, 32) for key in ("hr", "psnr", "per")}
    with Copies() as copies:
        loss = task.training_step({"id": ["a", "b"], "lr": there(BATCH, 3, 8, 8), **big}, 0)
        loss.backward()
    assert loss.device == DEVICE
    assert copies.constants(BATCH) == []
    gradients = [value.grad for value in task.parameters() if value.requires_grad]
    assert gradients and all(grad is not None and grad.device == DEVICE for grad in gradients)


def test_a_quality_network_copies_nothing() -> None:
    branches = {"frames": TimmFrames("test_efficientnet"), "motion": FastPath(width=1, depths=(1, 1, 1, 1))}
    network = VQANetwork(branches, MLPHead(8), PooledConcat()).to(DEVICE)
    assert elsewhere(network, DEVICE) == []
    views = {name: torch.zeros(BATCH, 8, 3, 32, 32, dtype=torch.uint8, device=DEVICE) for name in branches}
    with Copies() as copies:
        network(views).sum().backward()
    assert copies.shapes == []


def test_what_is_left_behind_is_found() -> None:
    class Careless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = torch.ones(3)

        def forward(self, x: Tensor) -> Tensor:
            return x * self.kernel.to(x.device)

    assert elsewhere(Careless(), DEVICE) == [".kernel"]
    with Copies() as copies:
        Careless()(there(BATCH, 3))
    assert copies.constants(BATCH) == [(3,)]
