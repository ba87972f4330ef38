"""Super-resolution networks rebuilt from checkpoints, which say themselves what they are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser
from torch import nn

from callbacks.run_facts import KEY
from lightning_modules.adapter_checkpoint import KEY as ADAPTERS
from lightning_modules.adapter_checkpoint import refuse_other
from lightning_modules.state_keys import refuse_keys
from lightning_modules.trained_network import PREFIX, put_network
from records.checkpoints import read_checkpoint
from records.errors import UserError
from records.hashing import file_hash
from runtime.complaint import complaint
from runtime.parser import explain
from runtime.trusted_classes import only_trusted_imports, refuse_foreign_classes


@dataclass(frozen=True)
class Loaded:
    """A network out of a checkpoint.

    Args:
        network: In eval mode, on the CPU, without gradients.
        stage: Stage of the diffusion it was trained in; None for a fusion.
        facts: What the checkpoint says of itself.
        hash: SHA-256 of the checkpoint file.
    """

    network: nn.Module
    stage: str | None
    facts: dict[str, Any]
    hash: str


def load_diffusion(path: str | Path, base: str | None = None) -> Loaded:
    """One-step diffusion network with the adapters of a checkpoint, merged into copies of its UNet.

    Args:
        path: Checkpoint of a stage, which holds adapters alone.
        base: Folder or name of the diffusion base, where it is no longer where training found it.

    Raises:
        UserError: Something is missing, or base and adapters do not belong together.
    """
    from models.sr.one_step import OneStepSR

    where = f"--checkpoint {path}"
    checkpoint = read_checkpoint(path, "--checkpoint")
    facts, config = _facts(checkpoint, where)
    theirs = checkpoint.get(ADAPTERS)
    if not isinstance(theirs, dict) or theirs.get("stage") not in ("pixel", "semantic"):
        raise UserError("no checkpoint of a one-step diffusion", where=where, mend="give best.ckpt of such a fit")
    if base is not None:
        config = _with_base(config, base)
    network = _built(OneStepSR, config, where)
    made = network.facts()
    mine = {"base_config": made["config_sha256"], "base_weights": made["weights_sha256"]}
    refuse_other(mine, checkpoint, f"{where}, base {made['base']}")
    kept = [f".{name}." for name in theirs["ranks"]]
    own = {
        f"{PREFIX}{name}": value
        for name, value in network.state_dict().items()
        if ".lora_" in name and any(part in name for part in kept)
    }
    refuse_keys(own, checkpoint["state_dict"], where)
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(checkpoint["state_dict"][name])
    merged = network.eval().merged("bfloat16" if network.backbone.unet.dtype == torch.bfloat16 else "float32")
    return Loaded(merged, theirs["stage"], facts, file_hash(path))


def load_fusion(path: str | Path) -> Loaded:
    """Fusion of two candidates out of a checkpoint.

    Raises:
        UserError: It is missing, or of something else.
    """
    where = f"--fusion {path}"
    checkpoint = read_checkpoint(path, "--fusion")
    facts, config = _facts(checkpoint, where)
    if str(facts["model"].get("class_path")).rpartition(".")[2] != "NAFusionTask":
        raise UserError("no checkpoint of a fusion", where=where, mend="give best.ckpt of a fit of NAFusionTask")
    network = _built(nn.Module, config, where)
    put_network(checkpoint, network, where)
    return Loaded(network.eval().requires_grad_(False), None, facts, file_hash(path))


def _facts(checkpoint: dict[str, Any], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a checkpoint says of itself, and the configuration of its network."""
    facts = checkpoint.get(KEY)
    try:
        config = facts["model"]["init_args"]["network"]  # type: ignore[index]
        config["class_path"]
    except (KeyError, TypeError):
        mend = "give best.ckpt of a run of this project"
        raise UserError("does not say what network it holds", where=where, mend=mend) from None
    refuse_foreign_classes(config, where)
    return dict(facts or {}), config


def _built(kind: Any, config: dict[str, Any], where: str) -> Any:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(kind, "network")
    try:
        with only_trusted_imports():
            parsed = parser.parse_object({"network": config})
    except Exception as error:
        told = explain(str(error))
        raise UserError(told.what, where=f"{where}: {told.where}", mend=told.mend) from error
    try:
        with only_trusted_imports():
            return parser.instantiate(parsed).network
    except Exception as error:
        refused = complaint(error, {"model.init_args.network": config}, where)
        if refused is None:
            raise
        raise refused from error


def _with_base(config: dict[str, Any], base: str) -> dict[str, Any]:
    """The configuration with another place of the diffusion base."""
    arguments = dict(config.get("init_args") or {})
    backbone = dict(arguments.get("backbone") or {})
    if "class_path" in backbone:
        backbone["init_args"] = {**(backbone.get("init_args") or {}), "pretrained": base}
    else:
        backbone["pretrained"] = base
    return {**config, "init_args": {**arguments, "backbone": backbone}}
