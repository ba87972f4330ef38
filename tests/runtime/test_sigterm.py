"""SIGTERM at any moment of a job of two ranks: a clean stop behind one step, and the state of that step saved."""

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from runtime import sigterm
from tests.command import TINY, start
from tests.tiny_kvq import make_tiny_kvq

WORDS = ("fit", "--config", str(TINY), "--trainer.max_epochs", "30", "--data.init_args.batch_size", "4")
TWO = ("--trainer.devices", "2", "--trainer.strategy", "ddp")


def stopped(process: subprocess.Popen[str], log: Path, steps: int, wait: float) -> tuple[int, str]:
    """Signal the first rank some time after a step; exit code and what was printed."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if log.exists() and log.read_text().count("train/loss") >= steps:
            break
        time.sleep(0.01)
    time.sleep(wait)
    process.send_signal(signal.SIGTERM)
    printed = process.communicate(timeout=120)[0]
    return process.returncode, printed


@pytest.mark.slow
def test_two_ranks_stop_at_one_step_whenever_the_signal_comes(tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", 6, val=3)
    draw = random.Random(0)
    for number in range(4):
        folder = tmp_path / f"runs/tiny_student/stop{number}-seed0"
        process = start(*WORDS, *TWO, "--run.variant", f"stop{number}", cwd=tmp_path)
        # Training and validation take turns within a second; the wait lands in either.
        code, printed = stopped(process, folder / "metrics.jsonl", draw.randint(1, 12), draw.random())
        assert code == 143, printed
        status = json.loads((folder / "status.json").read_text())
        assert status["state"] == "interrupted", printed
        assert (folder / "checkpoints/last.ckpt").is_file()


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({}, 143),
        ({"LOCAL_RANK": "0"}, 143),
        ({"LOCAL_RANK": "1"}, 0),
        ({"LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "job"}, 143),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "1"}, 143),
    ],
)
def test_only_a_rank_that_the_first_one_started_leaves_with_zero(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], code: int
) -> None:
    for name in ("LOCAL_RANK", "TORCHELASTIC_RUN_ID", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert sigterm.exit_code() == code
