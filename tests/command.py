"""Run the public commands as a user would, in processes of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests" / "configs" / "tiny_student.yaml"


def environment(**more: str) -> dict[str, str]:
    """The environment of a test's process: no key, no network surprises, one thread."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB", "PL_", "SLURM"))}
    return {**kept, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "PYTHONPATH": str(ROOT), "COLUMNS": "160", **more}


def train(*words: object, cwd: Path, timeout: float = 600, **more: str) -> subprocess.CompletedProcess[str]:
    """`python train.py WORDS` in ``cwd``."""
    command = [sys.executable, str(ROOT / "train.py"), *map(str, words)]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def start(*words: object, cwd: Path, **more: str) -> subprocess.Popen[str]:
    """`python train.py WORDS` in ``cwd``, not waited for, in a process group of its own."""
    command = [sys.executable, str(ROOT / "train.py"), *map(str, words)]
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def experiments(*words: object, cwd: Path, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """`python -m experiments WORDS` in ``cwd``."""
    command = [sys.executable, "-m", "experiments", *map(str, words)]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def tracked_copy(folder: Path) -> Path:
    """A copy of the tracked files as a fresh clone has them, with this environment, which stands already."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    for name in ("pyproject.toml", "constraints.txt", "weight-packages.txt"):
        os.utime(folder / name, (0, 0))  # so that make takes the environment for newer
    return folder
