"""A rank ends with what started it, and a process of its own does not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import environment

RANK = "import time; from runtime.launcher_watch import end_with_launcher; end_with_launcher(0.01); time.sleep(60)"
FIRST = (
    "import subprocess, sys, time; from runtime.launcher_watch import end_with_launcher; {begin}"
    "rank = subprocess.Popen([sys.executable, '-c', sys.argv[1]]); print(rank.pid, flush=True); time.sleep(60)"
)


def lives(number: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
@pytest.mark.parametrize(
    ("begin", "variables", "ends"),
    [
        ("end_with_launcher();", {}, True),
        ("", {"TORCHELASTIC_RUN_ID": "job"}, True),
        ("", {"LOCAL_RANK": "1"}, False),  # by hand, from a shell that ends
    ],
)
def test_a_rank_ends_with_what_started_it(begin: str, variables: dict[str, str], ends: bool) -> None:
    command = [sys.executable, "-c", FIRST.format(begin=begin), RANK]
    first = subprocess.Popen(command, env=environment(**variables), stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    rank = int(first.stdout.readline())
    try:
        time.sleep(0.3)  # it has begun to watch
        assert lives(rank)
        first.kill()
        first.wait()
        until = time.monotonic() + (30 if ends else 0.5)
        while lives(rank) and time.monotonic() < until:
            time.sleep(0.01)
        assert lives(rank) is not ends
    finally:
        if lives(rank):
            os.kill(rank, signal.SIGKILL)
        first.stdout.close()
