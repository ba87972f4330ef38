"""Networks and views from plain configuration values, of a file or of a checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from callbacks.run_facts import KEY
from datamodules.video.reader import BackendName
from datamodules.video.views.base import View
from lightning_modules.trained_network import put_network
from models.vqa.network import VQANetwork
from records.checkpoints import read_checkpoint
from records.errors import UserError
from records.hashing import file_hash
from runtime.complaint import complaint
from runtime.parser import explain
from runtime.trusted_classes import only_trusted_imports, refuse_foreign_classes


@dataclass(frozen=True)
class Scorer:
    """A trained network ready to score videos.

    Args:
        network: In eval mode, on the CPU.
        views: The views its branches read.
        reader: Decoder backend it was trained with.
        facts: What the checkpoint says of itself.
        hash: SHA-256 of the checkpoint file.
    """

    network: VQANetwork
    views: dict[str, View]
    reader: BackendName
    facts: dict[str, Any]
    hash: str


def build(network: dict[str, Any], views: dict[str, Any], where: str) -> tuple[VQANetwork, dict[str, View]]:
    """Instantiate a network and its views without loading any weights.

    Args:
        network: ``class_path`` and ``init_args`` of the network.
        views: ``class_path`` and ``init_args`` of each view.
        where: File they come from, for messages.

    Raises:
        UserError: If a class or an option does not exist.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(VQANetwork, "network")
    parser.add_argument("--views", type=dict[str, View])
    try:
        parsed = parser.parse_object({"network": network, "views": views})
    except Exception as error:
        told = explain(str(error))
        raise UserError(told.what, where=f"{where}: {told.where}", mend=told.mend) from error
    try:
        built = parser.instantiate(parsed)
    except Exception as error:
        config = {"model.init_args.network": network, "data.init_args.views": views}
        refused = complaint(error, config, where)
        if refused is None:
            raise
        raise refused from error
    return built.network, built.views


def load_scorer(path: str | Path) -> Scorer:
    """Rebuild the network and views of a checkpoint.

    Raises:
        UserError: If the file is missing, is no checkpoint of this project, or its weights do not fit.
    """
    where = f"--checkpoint {path}"
    checkpoint = read_checkpoint(path, "--checkpoint")
    facts: Any = checkpoint.get(KEY)
    try:
        network_config, views_config = facts["model"]["init_args"]["network"], facts["views"]
    except (KeyError, TypeError):
        mend = "give best.ckpt of a fit of VQAStudent or VQATeacher"
        raise UserError("no checkpoint of a quality network of this project", where=where, mend=mend) from None
    refuse_foreign_classes([network_config, views_config], where)
    with only_trusted_imports():
        network, views = build(network_config, views_config, where)
    put_network(checkpoint, network, where)
    return Scorer(network.eval(), views, facts.get("reader", "pyav"), facts, file_hash(path))
