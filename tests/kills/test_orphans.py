"""Processes that work for a command end with it, however it ends."""

import time
from pathlib import Path

import pytest

from tests.kills.harness import Attack, Job, strike

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")


def work(folder: str, number: int) -> None:
    """Say that it has begun, and take longer than any test."""
    Path(folder, str(number)).touch()
    time.sleep(600)


POOL = """
import signal, sys
from experiments.data_report.processes import each
from tests.kills.test_orphans import work
if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    list(each(work, [("begun", number) for number in range(4)], 2, lambda *task: None))
"""


@pytest.mark.parametrize("attack", ["main", "term"])
def test_workers_of_a_killed_check_or_build_do_not_wait_for_ever(tmp_path: Path, attack: Attack) -> None:
    trial = tmp_path / "trial"
    (trial / "begun").mkdir(parents=True)
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    job = Job((str(script),), lambda folder: None, lambda folder: len([*(folder / "begun").iterdir()]), lambda _: {})
    # Fails where a process lives on.
    assert strike(job, trial, attack, work=2, pause=0.05, moment=None)
