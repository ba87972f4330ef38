"""What a result was made with: interpreter, platform, package versions, and the commit of the code."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = (
    "torch", "torchvision", "lightning", "torchmetrics", "timm", "diffusers", "peft", "transformers", "kornia",
    "opencv-python-headless", "stlpips-pytorch", "av", "decord", "torchcodec", "numpy", "scipy", "pyarrow",
    "jsonargparse", "omegaconf", "wandb",
)  # fmt: skip
_ROOT = Path(__file__).resolve().parents[1]


def environment() -> dict[str, Any]:
    """Versions and commit, without loading any of the packages.

    Returns:
        ``python``, ``platform`` (system and machine type; no host name), ``packages`` (name to version, those that
        are installed) and ``git`` (``commit``, ``dirty``), which is None outside a git checkout.
    """
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "git": _git(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    top = _ask_git("rev-parse", "--show-toplevel")
    # Installed below another project's checkout, the commit would be that project's.
    if top is None or Path(top).resolve() != _ROOT:
        return None
    commit, changes = _ask_git("rev-parse", "HEAD"), _ask_git("status", "--porcelain")
    return None if commit is None else {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _ask_git(*words: str) -> str | None:
    # Without the setting, a status query may take the index lock away from the user's own git.
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *words], capture_output=True, text=True, timeout=30, env=quiet)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
