"""Hand a plan to Snakemake, and leave nothing of it running when this process ends."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from experiments.pipeline.job import ENGINE
from experiments.search.trial import identity

# Every process of a study carries its folder under this name.
MARK = "SUGC_STUDY"
PATIENCE = 60.0
# Seconds between two looks.
PAUSE = 0.5


def run(
    snakefile: Path, folder: Path, jobs: int, extra: str, look: Callable[[], object] = lambda: None, dry: bool = False
) -> int:
    """Let Snakemake run the plan, independent jobs also after one failed.

    Args:
        snakefile: The plan.
        folder: The study's folder, where Snakemake keeps what it knows.
        jobs: Cores that the jobs may take in all.
        extra: Words for Snakemake, as for a cluster.
        look: Called now and then while it runs.
        dry: Only let it read the plan.

    Returns:
        Snakemake's exit code.
    """
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile.resolve()), "--directory", str(folder),
             "--cores", str(jobs), "--keep-going", "--rerun-incomplete", "--nolock", "--quiet", "progress", "rules",
             "--rerun-triggers", "mtime", "params", "input", *shlex.split(extra)]  # fmt: skip
    if dry:
        words.append("--dry-run")
    environment = {**os.environ, MARK: str(folder.resolve())}
    if mine := identity(os.getpid()):
        environment[ENGINE] = f"{socket.gethostname()} {mine}"
    with (folder / "snakemake.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                time.sleep(PAUSE)
                look()
        except BaseException:
            end_processes(folder)
            raise
    return process.returncode


def end_processes(folder: Path) -> None:
    """Ask every process of the study to save its state and end, and kill what has not after a while."""
    until = time.monotonic() + PATIENCE
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for pid in processes(folder):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, sign)
        while time.monotonic() < until and processes(folder):
            time.sleep(0.1)


def processes(folder: Path) -> list[int]:
    """Processes that carry the mark of the study; none where the system does not tell."""
    mark, found = f"{MARK}={folder.resolve()}".encode(), []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(place.name) != os.getpid() and mark in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return found
