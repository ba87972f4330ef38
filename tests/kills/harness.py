"""Kill a command at seeded moments, give it again until it is done, and compare with one that nothing stopped."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.command import environment

# "kill" and "term group" go to all processes of the command's group, as from `timeout` or a scheduler. "rank" is
# SIGKILL to the second rank alone: the command must end by itself. The others go to the first process alone, "main"
# being SIGKILL, as from a system that is out of memory.
Attack = Literal["kill", "main", "term", "term group", "usr1", "int", "rank"]
SIGNALS = {
    "kill": signal.SIGKILL,
    "main": signal.SIGKILL,
    "term": signal.SIGTERM,
    "term group": signal.SIGTERM,
    "usr1": signal.SIGUSR1,
    "int": signal.SIGINT,
    "rank": signal.SIGKILL,
}
# In the environment of every process that the command starts, and of those that they start.
MARK = "SUGC_TEST_KILLS"
# Bounds of what must end by itself; far above what it takes, seconds.
ENDS, VANISHES, WHOLE = 600.0, 120.0, 1200.0


@dataclass(frozen=True)
class Job:
    """A command that is to survive kills.

    Args:
        words: What follows the interpreter. Every trial has a folder of its own, so paths are relative to that.
        prepare: Fills the folder of a trial with what the command reads.
        grown: What is on disk of the work so far, in any unit that grows with it and is not read from memory.
        outcome: All that must come out the same, by name.
        attacks: Kinds of kills.
        variables: Of the environment.
        check: Called with the folder after every kill; raises where something is not whole.
    """

    words: Sequence[str]
    prepare: Callable[[Path], object]
    grown: Callable[[Path], int]
    outcome: Callable[[Path], dict[str, Any]]
    attacks: Sequence[Attack] = ("kill", "term")
    variables: dict[str, str] = field(default_factory=dict)
    check: Callable[[Path], object] = lambda folder: None


@dataclass
class Survived:
    """What a command survived.

    Args:
        kills: Kills of each kind.
        grown: Amount of work of the command that nothing stopped.
        seconds: How long that took.
    """

    kills: Counter[str]
    grown: int
    seconds: float


@dataclass
class Tally:
    """Kills that several commands survived, for the table of promises.

    Args:
        kills: Kills of each kind.
        commands: Commands that survived them.
    """

    kills: Counter[str] = field(default_factory=Counter)
    commands: int = 0

    def add(self, survived: Survived) -> str:
        """Count one command in; what to tell of all so far."""
        names = {"kill": "SIGKILL to all processes", "main": "SIGKILL to the first one", "rank": "SIGKILL to one rank"}
        for attack, count in survived.kills.items():
            self.kills[names.get(attack, SIGNALS[attack].name)] += count
        self.commands += 1
        told = ", ".join(f"{count} {name}" for name, count in sorted(self.kills.items()))
        return f"{self.kills.total()} kills of {self.commands} commands: {told}"


def survive(job: Job, place: Path, kills: int, seed: int = 0, anytime: float = 0.25) -> Survived:
    """Run ``job`` once whole and then with ``kills`` kills, and hold the second to the first.

    A kill comes when a drawn amount of work has been added since the command was given, and a drawn moment later; some
    come at any moment of the time that the whole command took, be it while it starts or ends. All are drawn from
    ``seed``. A command that ends before its last kill is begun anew in another folder, so that it gets them all.

    Args:
        job: The command.
        place: Folder of the trials.
        kills: Kills.
        seed: Seed of the moments.
        anytime: Share of the kills that come at any moment.

    Raises:
        AssertionError: Something was lost, doubled, torn or left running.
    """
    whole = _trial(job, place / "whole")
    before, began = job.grown(whole), time.monotonic()
    finish(job, whole)
    found = Survived(Counter(), job.grown(whole) - before, time.monotonic() - began)
    assert found.grown > 0, "the measure of progress shows none"
    draw = random.Random(seed)
    left = _attacks(job, kills, draw)
    for number in range(2 * (kills + 1)):  # a busy machine lets some go by
        cut = _trial(job, place / f"cut{number}")
        while left:
            share = max(1, found.grown // (kills + 1))
            work, pause = draw.randint(1, share), draw.uniform(0, found.seconds / 50)
            moment = draw.uniform(0, found.seconds) if draw.random() < anytime else None
            if not strike(job, cut, left[0], work, pause, moment):
                break
            found.kills[left.pop(0)] += 1
            job.check(cut)
        finish(job, cut)
        _compare(job, cut, whole)
        if not left:
            return found
    raise AssertionError(f"ended before it could be killed, each time: {told(cut)}")


def _trial(job: Job, folder: Path) -> Path:
    folder.mkdir(parents=True)
    job.prepare(folder)
    return folder


def _compare(job: Job, cut: Path, whole: Path) -> None:
    ours, theirs = job.outcome(cut), job.outcome(whole)
    assert ours.keys() == theirs.keys(), f"only in one: {sorted(ours.keys() ^ theirs.keys())}"
    different = [name for name in ours if ours[name] != theirs[name]]
    assert not different, f"{len(different)} of {len(ours)} differ: {different[:5]}"
    torn = [str(path.relative_to(cut)) for path in cut.rglob(".*.tmp")]
    assert not torn, f"left by killed writers: {torn}"


def _attacks(job: Job, kills: int, draw: random.Random) -> list[Attack]:
    """Every kind before one comes twice."""
    found: list[Attack] = []
    while len(found) < kills:
        found += draw.sample(list(job.attacks), len(job.attacks))
    return found[:kills]


def begin(job: Job, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Give the command, in a process group of its own; the process, and the mark of all that it starts."""
    mark = uuid.uuid4().hex
    # A file: whatever outlives the command could keep a pipe open.
    with open(output(folder), "ab") as file:
        process = subprocess.Popen(
            [sys.executable, *job.words],
            cwd=folder,
            env=environment(**{MARK: mark, **job.variables}),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    return process, mark


def finish(job: Job, folder: Path) -> None:
    """Give the command and let it come to its end."""
    process, mark = begin(job, folder)
    try:
        code = process.wait(WHOLE)
        assert code == 0, f"code {code}: {told(folder)}"
        assert_gone(mark, folder)
    finally:
        _clear(process, mark)


def strike(job: Job, folder: Path, attack: Attack, work: int, pause: float, moment: float | None) -> bool:
    """Give the command and kill it; whether that found it at work.

    Args:
        job: The command.
        folder: Where.
        attack: How.
        work: Kill when so much was added.
        pause: And so many seconds later.
        moment: Kill so many seconds after the command was given instead; None for after some work.
    """
    before, until = job.grown(folder), time.monotonic() + WHOLE
    process, mark = begin(job, folder)
    try:
        if moment is not None:
            _sleep(process, moment)
        else:
            while process.poll() is None and job.grown(folder) < before + work:
                assert time.monotonic() < until, f"no progress: {told(folder)}"
                time.sleep(0.005)
            _sleep(process, pause)
        if process.poll() is None:
            _send(process, attack, mark)
        code = process.wait(ENDS)
        if code == 0:
            return False
        number = int(SIGNALS[attack])
        if attack == "rank":
            assert code != 0, told(folder)
        else:
            # Killed by it before it could be noticed, or left in good order.
            allowed = {-number} if number == signal.SIGKILL else {-number, 128 + number}
            assert code in allowed, f"code {code} after {attack}: {told(folder)}"
        assert_gone(mark, folder)
        # The command is given again a while later, as far as what it left can tell.
        for path in folder.rglob(".*.tmp"):
            os.utime(path, (time.time() - 3600,) * 2)
        return True
    finally:
        _clear(process, mark)


def _sleep(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _send(process: subprocess.Popen[bytes], attack: Attack, mark: str) -> None:
    if attack in ("kill", "term group"):
        os.killpg(process.pid, SIGNALS[attack])
    elif attack == "rank":
        # Before there is a second rank, the first one is what there is to kill.
        second = [number for number, parent, rank in _processes(mark) if rank == "1" and parent == process.pid]
        os.kill(second[0] if second else process.pid, SIGNALS[attack])
    else:
        process.send_signal(SIGNALS[attack])


def assert_gone(mark: str, folder: Path) -> None:
    """Wait for the end of all that the command has started, which must come by itself."""
    until = time.monotonic() + VANISHES
    while left := [number for number, _, _ in _processes(mark)]:
        if time.monotonic() > until:
            shown = {number: Path(f"/proc/{number}/cmdline").read_bytes() for number in left}
            raise AssertionError(f"outlived the command: {shown}; {told(folder)}")
        time.sleep(0.02)


def _processes(mark: str) -> Iterator[tuple[int, int, str | None]]:
    """Number, parent and local rank of every living process that bears the mark."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                pairs = (item.partition(b"=") for item in (folder / "environ").read_bytes().split(b"\0"))
                variables = {name.decode(): value.decode() for name, _, value in pairs}
                if variables.get(MARK) == mark:
                    # The name of the program, in brackets, may hold anything.
                    state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                    if state != "Z":
                        yield int(folder.name), int(parent), variables.get("LOCAL_RANK")
            except (OSError, ValueError):
                continue


def _clear(process: subprocess.Popen[bytes], mark: str) -> None:
    """Leave nothing running, whatever failed."""
    for number, _, _ in _processes(mark):
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def output(folder: Path) -> Path:
    """What the command printed, all times it was given; beside the folder, so that it is no part of the outcome."""
    return folder.with_name(f"{folder.name}.log")


def told(folder: Path) -> str:
    """The end of what it printed."""
    return output(folder).read_text(errors="replace")[-3000:]
