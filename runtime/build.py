"""Networks and views from plain configuration values, of a file or of a checkpoint."""

from collections.abc import Iterator
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
from runtime.parser import explain

# Classes that a configuration out of a checkpoint, a run folder or a download may name.
TRUSTED = ("callbacks", "datamodules", "lightning", "lightning_modules", "losses", "metrics", "models", "torch")


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
        parsed = parser.instantiate(parser.parse_object({"network": network, "views": views}))
    except Exception as error:
        told = explain(str(error))
        raise UserError(told.what, where=f"{where}: {told.where}", mend=told.mend) from error
    return parsed.network, parsed.views


def class_paths(value: Any) -> Iterator[str]:
    """Every ``class_path`` in nested configuration values."""
    if isinstance(value, dict):
        if isinstance(value.get("class_path"), str):
            yield value["class_path"]
        for item in value.values():
            yield from class_paths(item)
    elif isinstance(value, list):
        for item in value:
            yield from class_paths(item)


def refuse_foreign_classes(value: Any, where: str) -> None:
    """Refuse configuration values that name a class from outside this project, Lightning and torch."""
    for path in class_paths(value):
        if path.partition(".")[0] not in TRUSTED:
            raise UserError(
                f"names the class {path!r}, which is neither ours nor Lightning's nor torch's",
                where=where,
                mend="use a checkpoint that you trust and that this project wrote",
            )


def load_scorer(path: str | Path) -> Scorer:
    """Rebuild the network and views of a checkpoint.

    Raises:
        UserError: If the file is missing, is no checkpoint of this project, or its weights do not fit.
    """
    where = f"--checkpoint {path}"
    checkpoint = read_checkpoint(path, "--checkpoint")
    facts = checkpoint.get(KEY)
    if not isinstance(facts, dict) or "views" not in facts:
        mend = "give best.ckpt of a fit of VQAStudent or VQATeacher"
        raise UserError("no checkpoint of a quality network of this project", where=where, mend=mend)
    network_config = facts["model"]["init_args"]["network"]
    refuse_foreign_classes([network_config, facts["views"]], where)
    network, views = build(network_config, facts["views"], where)
    put_network(checkpoint, network, where)
    return Scorer(network.eval(), views, facts.get("reader", "pyav"), facts, file_hash(path))
