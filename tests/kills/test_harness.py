"""The harness itself: it passes a command that survives, and catches each way of not doing so."""

from pathlib import Path

import pytest

from tests.kills.harness import Job, survive

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")

# Writes numbers to a table, a line each, and goes on behind the last whole one.
COUNTER = """
import os, signal, subprocess, sys, time
from pathlib import Path
fault, table = sys.argv[1], Path("table")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1 if fault == "code" else 143))
lines = table.read_text().split() if table.exists() else []
begun = len(lines)
if fault == "loses" and begun:
    begun += 1
if fault == "doubles" and begun:
    begun -= 1
if fault == "orphan":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
if fault == "torn":
    Path(f".table.{os.getpid()}.tmp").write_text("half")
with table.open("a") as file:
    for number in range(begun, 40):
        file.write(f"{number}\\n")
        file.flush()
        time.sleep(0.005)
for path in Path().glob(f".*.{os.getpid()}.tmp"):
    path.unlink()
"""


def counter(folder: Path, fault: str = "") -> Job:
    script = folder / "counter.py"
    script.write_text(COUNTER)
    return Job(
        words=(str(script), fault),
        prepare=lambda trial: None,
        grown=lambda trial: (trial / "table").read_bytes().count(b"\n") if (trial / "table").exists() else 0,
        outcome=lambda trial: {"table": (trial / "table").read_text()},
        attacks=("kill",) if fault else ("kill", "term", "term group"),
    )


def test_a_command_that_goes_on_survives_and_its_kills_are_counted(tmp_path: Path) -> None:
    found = survive(counter(tmp_path), tmp_path / "trial", 3)
    assert found.grown == 40 and found.kills.total() == 3


def test_the_jobs_get_twenty_kills_together() -> None:
    from tests.kills.jobs import FITS, STAGES

    assert sum(kills for _, kills in (*FITS.values(), *STAGES.values())) >= 20


@pytest.mark.parametrize(
    ("fault", "said"),
    [("loses", "differ"), ("doubles", "differ"), ("torn", "left by killed writers"), ("code", "code 1 after term")],
)
def test_what_is_lost_doubled_torn_or_ends_wrongly_is_caught(tmp_path: Path, fault: str, said: str) -> None:
    job = counter(tmp_path, fault)
    if fault == "code":
        job = Job(job.words, job.prepare, job.grown, job.outcome, ("term",))
    with pytest.raises(AssertionError, match=said):
        # The seed's first kill comes after some work.
        survive(job, tmp_path / "trial", 2, seed=1)


def test_what_outlives_the_command_is_caught_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.kills import harness

    monkeypatch.setattr(harness, "VANISHES", 0.3)
    with pytest.raises(AssertionError, match="outlived the command"):
        survive(counter(tmp_path, "orphan"), tmp_path / "trial", 1)
