"""Frozen branches that a checkpoint names by hash and leaves in the file they came from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from records.errors import UserError
from records.hashing import tensors_hash

# Key of a checkpoint: branch to where its frozen weights come from and their hash, as plain values.
KEY = "frozen"
# Parts of a checkpoint that hold the state of the module; the second where weights are averaged.
STATES = ("state_dict", "current_model_state")


def frozen(network: nn.Module, branch: str) -> Iterator[tuple[str, Tensor]]:
    """Name in the task's state and value of every weight of a branch that no step changes."""
    part = f"branches.{branch}"
    for name, value in network.get_submodule(part).named_parameters():
        if not value.requires_grad:
            yield f"network.{part}.{name}", value


def references(network: nn.Module, sources: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What a checkpoint says of the frozen weights that it does not hold.

    Args:
        network: With its pretrained weights.
        sources: Branch to where they come from. What only a download brings is kept in the checkpoint.
    """
    local = [each for each, source in sources.items() if source.startswith("package:") or Path(source).is_file()]
    held = {branch: dict(frozen(network, branch)) for branch in local}
    return {
        branch: {"source": sources[branch], "sha256": tensors_hash(weights)}
        for branch, weights in held.items()
        if weights
    }


def leave_out(checkpoint: dict[str, Any], network: nn.Module, known: dict[str, dict[str, str]]) -> None:
    """Take the weights that ``known`` names out of a checkpoint that is being saved, and say so in it."""
    names = {name for branch in known for name, _ in frozen(network, branch)}
    for part in STATES:
        if part in checkpoint:
            checkpoint[part] = {name: value for name, value in checkpoint[part].items() if name not in names}
    checkpoint[KEY] = known


def complete(checkpoint: dict[str, Any], network: nn.Module, where: str) -> None:
    """Put frozen weights back into a checkpoint that was read, from the files that the network's branches name.

    Args:
        checkpoint: The checkpoint; its states are then whole.
        network: A network of the same architecture; its frozen weights are loaded.
        where: Where the checkpoint comes from, for messages.

    Raises:
        UserError: The weights are not there, or are others than those it was trained on.
    """
    for branch, told in checkpoint.get(KEY, {}).items():
        if branch not in getattr(network, "branches", {}):
            continue  # another network, as the names of its weights will tell
        try:
            network.get_submodule(f"branches.{branch}").load_pretrained()  # type: ignore[operator]
        except (ValueError, OSError) as error:
            what = f"its frozen branch {branch!r} cannot be loaded ({error})"
            raise UserError(what, where=where, mend=f"put the weights back to {told['source']}") from None
        weights = dict(frozen(network, branch))
        found = tensors_hash(weights)
        if found != told["sha256"]:
            what = f"its frozen branch {branch!r} has the hash {told['sha256']}, and the weights there {found}"
            raise UserError(what, where=where, mend=f"give the file that it was trained on, {told['source']}")
        for part in STATES:
            if part in checkpoint:
                checkpoint[part] = {**checkpoint[part], **weights}
