"""One trial: an operating-system process of its own, a run folder of its own."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.search.sweep_file import Objective
from records.runs import read_metrics, read_status, read_summary

# Seconds between the request to stop, on which a run saves its state, and the kill.
PATIENCE = 60.0
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


@dataclass
class TrialProcess:
    """A running trial.

    Args:
        root: Folder of all runs.
        variant: Variant that the trial's run is called by.
        process: The process, which leads its group.
        slot: Place among the trials that run at once.
        told: Values of the first objective, in order, that Optuna knows already.
        asked: When the run was asked to end, seconds of the monotonic clock.
    """

    root: Path
    variant: str
    process: subprocess.Popen[bytes]
    slot: int
    told: list[float] = field(default_factory=list)
    asked: float | None = None

    @property
    def folder(self) -> Path | None:
        """Run folder, once the run has made it."""
        return find_folder(self.root, self.variant)

    def ask_to_end(self) -> None:
        """Let the run save its state and end."""
        self.asked = time.monotonic()
        signal_group(self.process.pid, signal.SIGTERM)

    def poll(self) -> int | None:
        """Exit code, or None while it runs; one that was asked to end and does not is killed after a while."""
        if self.asked is not None and time.monotonic() - self.asked > PATIENCE:
            signal_group(self.process.pid, signal.SIGKILL)
        code = self.process.poll()
        if code is not None:
            signal_group(self.process.pid, signal.SIGKILL)  # ranks that outlived the first
        return code


def find_folder(root: Path, variant: str) -> Path | None:
    """Run folder of a variant below any experiment."""
    return next(iter(sorted(root.glob(f"*/{variant}-seed*/"))), None)


def start(words: Sequence[str], log: Path, slot: int, root: Path, variant: str, gpus: str | None) -> TrialProcess:
    """Start one trial; when this process dies, the trial is asked to save its state and end.

    Args:
        words: The command.
        log: File that its output is added to.
        slot: Place among the trials that run at once.
        root: Folder of all runs.
        variant: Variant of its run.
        gpus: Value of ``CUDA_VISIBLE_DEVICES``, or None to leave it.
    """
    environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": gpus} if gpus is not None else {})}
    with log.open("ab") as out:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    return TrialProcess(root, variant, process, slot)


def _end_with_parent() -> None:
    # Only Linux has it; elsewhere the next start ends what is left.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)


def identity(pid: int) -> str | None:
    """Process id and start time, which tell a process from a later one of the same number; None for a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else f"{pid} {fields[19]}"


def lives(known: object) -> bool:
    """Whether the process of an identity still runs on this machine."""
    number = str(known).partition(" ")[0]
    return number.isdecimal() and identity(int(number)) == known


def signal_group(pid: int, sign: int) -> None:
    """Send a signal to a process group, if it is still there."""
    try:
        os.killpg(pid, sign)
    except ProcessLookupError:
        pass


def end_leftover(known: str) -> None:
    """End the group of a trial that a former process of this machine started, if it still runs."""
    pid = int(known.split()[0])
    until = time.monotonic() + PATIENCE
    if identity(pid) == known:
        signal_group(pid, signal.SIGTERM)
        while identity(pid) == known and time.monotonic() < until:
            time.sleep(0.1)
        signal_group(pid, signal.SIGKILL)


def course(folder: Path | None, objective: Objective) -> list[float]:
    """Values of an objective after each validation, in order."""
    rows = read_metrics(folder) if folder else []
    return [float(row[objective.name]) for row in rows if isinstance(row.get(objective.name), int | float)]


def outcome(folder: Path | None, objectives: Sequence[Objective]) -> list[float | None]:
    """Final value of every objective: the best of its course, else what the run's summary says."""
    found: list[float | None] = []
    summary = read_summary(folder) if folder else {}
    for objective in objectives:
        values = course(folder, objective)
        if values:
            found.append(max(values) if objective.goal == "maximize" else min(values))
        else:
            found.append(_dotted(summary, objective.name))
    return found


def reason(folder: Path | None, log: Path) -> str:
    """Why a trial failed, in one line."""
    error = str(read_status(folder / "status.json").get("error", "")) if folder else ""
    if error:
        return error.splitlines()[0]
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1][:300] if lines else "ended without a word"


def _dotted(values: Mapping[str, Any], name: str) -> float | None:
    value: Any = values
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
