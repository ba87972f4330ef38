"""Checkpoints of both stages and of a fusion, as fits write them, without the fits."""

from pathlib import Path
from typing import Any

import torch

from callbacks.run_facts import KEY
from lightning_modules.diffusion_sr import DiffusionSR
from lightning_modules.nafusion import NAFusionTask
from models.sr.backbone import DiffusionBackbone
from models.sr.nafusion import NAFusion
from models.sr.one_step import OneStepSR


def diffusion_checkpoint(path: Path, stage: Any = "semantic", base: Path | None = None) -> OneStepSR:
    """Write a checkpoint with adapters that do something; the network it holds."""
    torch.manual_seed(0)
    pretrained = None if base is None else str(base)
    network = OneStepSR(DiffusionBackbone(pretrained), rank_pixel=2, rank_semantic=3).eval()
    for name, weight in network.named_parameters():
        if ".lora_B.pixel." in name or (stage == "semantic" and ".lora_B.semantic." in name):
            torch.nn.init.normal_(weight, std=0.05)
    task = DiffusionSR(network, stage)
    backbone = {"class_path": "models.sr.backbone.DiffusionBackbone", "init_args": {"pretrained": pretrained}}
    arguments = {"backbone": backbone, "rank_pixel": 2, "rank_semantic": 3}
    _write(path, task, {"class_path": "models.sr.one_step.OneStepSR", "init_args": arguments})
    return network


def fusion_checkpoint(path: Path) -> NAFusion:
    torch.manual_seed(1)
    network = NAFusion("S").eval()
    torch.nn.init.normal_(network.leave.weight, std=0.01)
    _write(
        path, NAFusionTask(network, None), {"class_path": "models.sr.nafusion.NAFusion", "init_args": {"preset": "S"}}
    )
    return network


def _write(path: Path, task: Any, network: dict[str, Any]) -> None:
    model = {"class_path": f"{type(task).__module__}.{type(task).__name__}", "init_args": {"network": network}}
    checkpoint: dict[str, Any] = {"state_dict": task.state_dict(), KEY: {"model": model}}
    if isinstance(task, DiffusionSR):
        checkpoint["adapters"] = {**task.notes(), **task.made_of()}
    torch.save(checkpoint, path)
