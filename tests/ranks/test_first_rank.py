"""An error of all ranks is told by the first; one that it has started tells only what the first does not end over."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.first_rank import started_by_first
from tests.command import environment

RANK = """
import sys
from pathlib import Path
from runtime.first_rank import must_tell

print("ready", flush=True)
told = must_tell(float(sys.argv[2]))
Path(sys.argv[1]).with_suffix(".part").write_text(str(told))
Path(sys.argv[1]).with_suffix(".part").rename(sys.argv[1])
"""
FIRST = """
import subprocess, sys

rank = subprocess.Popen([sys.executable, *sys.argv[1:4]], stdout=subprocess.PIPE)
rank.stdout.readline()
if sys.argv[4] == "stays":
    rank.wait()
"""


@pytest.mark.parametrize(("first", "seconds", "told"), [("ends", 60, "False"), ("stays", 0.1, "True")])
def test_a_started_rank_tells_what_the_first_does_not_end_over(
    tmp_path: Path, first: str, seconds: float, told: str
) -> None:
    answer = tmp_path / "answer"
    (tmp_path / "rank.py").write_text(RANK)
    words = [sys.executable, "-c", FIRST, str(tmp_path / "rank.py"), str(answer), str(seconds), first]
    subprocess.run(words, env=environment(LOCAL_RANK="1"), check=True, timeout=60)
    until = time.monotonic() + 60
    while not answer.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert answer.read_text() == told


@pytest.mark.parametrize("variable", ["TORCHELASTIC_RUN_ID", "SLURM_PROCID"])
def test_a_rank_that_something_else_started_tells_by_itself(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv(variable, "1")
    assert not started_by_first()
