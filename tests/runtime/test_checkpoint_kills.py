"""Whatever moment a writer of checkpoints is killed at, the last good one is there, and no rubbish gathers."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from records.checkpoints import read_checkpoint
from records.leftovers import sweep
from runtime.checkpoint_io import newest
from tests.command import ROOT, environment

# Saves without end, from the step given on each line of its input, in a child that is waited for.
WRITER = """
import os, sys
import torch
from pathlib import Path
from runtime.checkpoint_io import SafeCheckpointIO

folder, weights, saver = Path(sys.argv[1]), torch.arange(int(sys.argv[2]), dtype=torch.float32), SafeCheckpointIO()
for line in sys.stdin:
    child = os.fork()
    if not child:
        print(os.getpid(), flush=True)
        for step in range(int(line), 1 << 20):
            saver.save_checkpoint({"state_dict": {"w": weights + step}, "step": step}, folder / "last.ckpt")
            print(step, flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
"""
SIZE = 2_000_000  # 8 MB of weights


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder for temporary files on another file system than the checkpoints."""
    folder = Path("/dev/shm", f"checkpoint-kills-{os.getpid()}")
    if not folder.parent.is_dir():
        pytest.skip("this machine has no second file system at /dev/shm")
    folder.mkdir()
    yield folder
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()


@pytest.fixture
def writer(tmp_path: Path, elsewhere: Path) -> Iterator[subprocess.Popen[str]]:
    if tmp_path.stat().st_dev == elsewhere.stat().st_dev:
        pytest.skip("the temporary files of tests stand on /dev/shm too")
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), str(SIZE)],
        env=environment(TMPDIR=str(elsewhere)),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.communicate(timeout=60)


@pytest.mark.parametrize("kills", [pytest.param(3, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.prove)])
def test_the_last_good_checkpoint_survives_every_kill(
    kills: int, tmp_path: Path, elsewhere: Path, writer: subprocess.Popen[str], proven: Callable[[str, str], None]
) -> None:
    assert writer.stdin and writer.stdout
    moments, torn, first = random.Random(20), 0, 0
    for _ in range(kills):
        print(first, file=writer.stdin, flush=True)
        process, said = int(writer.stdout.readline()), [writer.stdout.readline()]
        time.sleep(moments.uniform(0, 0.3))
        os.kill(process, signal.SIGKILL)
        said += iter(writer.stdout.readline, "gone\n")
        told = int(said[-1])
        path = newest(tmp_path)
        assert path is not None
        held = read_checkpoint(path, "checkpoint")
        # What was told to be saved is there, or the one that was just being told.
        assert held["step"] in (told, told + 1)
        assert torch.equal(held["state_dict"]["w"], torch.arange(SIZE, dtype=torch.float32) + held["step"])
        assert path.name == "last.ckpt"
        for left in tmp_path.glob(".*.tmp"):
            os.utime(left, (0, 0))  # what was just written might be at work on another machine
        torn += len(sweep(tmp_path))
        assert {each.name for each in tmp_path.iterdir()} <= {"last.ckpt", "older.ckpt"}
        assert not list(elsewhere.iterdir())
        first = held["step"] + 1
    older = read_checkpoint(tmp_path / "older.ckpt", "checkpoint")
    assert older["step"] in (first - 1, first - 2)
    if kills > 10:
        assert torn > kills // 10  # that many kills fell into a write
    proven("kills of a checkpoint's writer", f"{kills} kills, {torn} in the middle of a write, 0 checkpoints lost")
