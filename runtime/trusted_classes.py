"""Which classes a configuration may name that the user has not typed: one out of a checkpoint or a download."""

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from records.errors import UserError

OURS = ("callbacks", "datamodules", "lightning_modules", "losses", "metrics", "models")
# Parts of torch and Lightning that hold networks, optimisers, schedules and callbacks, and nothing that loads or runs
# what an argument names, as torch.hub.load does.
THEIRS = ("torch.nn", "torch.optim", "lightning.pytorch")
# Set in the environment of a `train.py` whose configuration the user has not typed.
TRUSTED_ONLY = "SUGC_TRUSTED_ONLY"
_MEND = "use one that you trust and that this version of the project wrote"


def refuse_foreign_classes(value: Any, where: str) -> None:
    """Refuse configuration values that name anything but classes of this project, or networks and the like of torch's.

    Args:
        value: Nested plain values.
        where: File they come from, for messages.

    Raises:
        UserError: Names the first such class.
    """
    for path in class_paths(value):
        if not isinstance(path, str) or not _is_trusted(path):
            what = f"names {path!r}, which is neither ours nor a network, optimiser or callback of torch or Lightning"
            raise UserError(what, where=where, mend=_MEND)


def class_paths(value: Any) -> Iterator[Any]:
    """Every ``class_path`` in nested configuration values."""
    if isinstance(value, dict):
        if "class_path" in value:
            yield value["class_path"]
        for item in value.values():
            yield from class_paths(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from class_paths(item)


def trust_ours_only() -> None:
    """Let the parser import nothing else from here on."""
    from jsonargparse import set_parsing_settings

    set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=[*OURS, *THEIRS])


@contextmanager
def only_trusted_imports() -> Iterator[None]:
    """Let the parser import nothing else, whatever form a value has: it takes a plain text for a class path too."""
    from jsonargparse import _common

    before = dict(_common.parsing_settings)
    trust_ours_only()
    try:
        yield
    finally:
        _common.parsing_settings.clear()
        _common.parsing_settings.update(before)


def _is_trusted(path: str) -> bool:
    module, _, name = path.rpartition(".")
    parts = path.split(".")
    if not all(part.isidentifier() and not part.startswith("_") for part in parts):
        return False  # a module named __main__ does its work when it is imported
    if parts[0] not in OURS and ".".join(parts[:2]) not in THEIRS:
        return False
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return False
    if not inspect.isclass(found):
        return False
    # Where it is made, not where it is named: modules of ours import others.
    made = found.__module__.partition(".")[0]
    return made in OURS or (made in ("torch", "lightning") and issubclass(found, _kinds()))


def _kinds() -> tuple[type, ...]:
    import lightning as L
    import torch

    scheduler = torch.optim.lr_scheduler.LRScheduler
    return torch.nn.Module, torch.optim.Optimizer, scheduler, L.LightningDataModule, L.Callback
