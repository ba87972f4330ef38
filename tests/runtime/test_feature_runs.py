"""Features by the public command: filled once, gone on with after a kill of any rank, byte for byte."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from records.feature_bank import FeatureBank
from tests.command import ROOT, start, train
from tests.tiny_kvq import make_tiny_kvq

CONFIG = ROOT / "tests/configs/tiny_expert.yaml"
TWO = ("--trainer.devices", "2", "--trainer.strategy", "ddp")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    make_tiny_kvq(folder / "data", 5, val=2, test=2, frames=24)
    return folder


def words(bank: str, *more: str) -> tuple[str, ...]:
    return ("predict", "--config", str(CONFIG), "--model.init_args.bank", bank, "--run.variant", bank, *more)


@pytest.fixture(scope="module")
def whole(workplace: Path) -> bytes:
    """Rows of a run that nothing stopped."""
    done = train(*words("whole"), cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "63 of 63 clips, 63 of them new" in done.stdout and "random weights" in done.stdout
    return rows(workplace / "whole")


def rows(bank: Path) -> bytes:
    return (bank / "tiny" / "rows.stand-in.f16").read_bytes()


def done(bank: Path) -> int:
    return sum(path.read_bytes().count(1) for path in (bank / "tiny").glob("done-*"))


def kill_in_the_middle(process: subprocess.Popen[str], bank: Path, rank: int, ranks: int) -> None:
    """SIGKILL one rank once some rows are done, and wait for all."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None and done(bank) < 6:
        time.sleep(0.005)
    assert process.poll() is None, process.communicate()[0]
    victim = process.pid
    if rank:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (victim,) = (int(child) for child in children if b"train.py" in Path(f"/proc/{child}/cmdline").read_bytes())
    os.kill(victim, signal.SIGKILL)
    process.communicate(timeout=120)


@pytest.mark.parametrize(
    ("rank", "ranks"),
    [
        pytest.param(0, 1, marks=pytest.mark.slow),
        pytest.param(1, 2, marks=pytest.mark.slow),
        pytest.param(0, 2, marks=pytest.mark.prove),
    ],
)
def test_after_a_kill_the_same_command_ends_with_the_bytes_of_a_whole_run(workplace, whole, rank, ranks) -> None:
    name = f"cut{rank}of{ranks}"
    command = words(name, *TWO) if ranks == 2 else words(name)
    kill_in_the_middle(start(*command, cwd=workplace), workplace / name, rank, ranks)
    before = done(workplace / name)
    assert 0 < before < 63, "the kill came too late to show anything"
    again = train(*command, cwd=workplace)
    assert again.returncode == 0, again.stderr
    assert f"63 of 63 clips, {63 - before} of them new" in again.stdout
    assert rows(workplace / name) == whole
    bank = FeatureBank(workplace / name / "tiny")
    assert len(bank.index) == 63 and not bank.missing(bank.index)


@pytest.mark.slow
def test_a_finished_bank_is_left_alone(workplace, whole) -> None:
    again = train(*words("whole"), cwd=workplace)
    assert again.returncode == 0 and "63 of 63 clips, 0 of them new" in again.stdout, again.stderr
    summary = json.loads((workplace / "runs/tiny_expert/whole-seed0/summary.json").read_text())
    assert summary["stand_in"] is True and summary["rows"] == 63
    assert rows(workplace / "whole") == whole


@pytest.mark.slow
def test_an_expert_has_nothing_to_fit(workplace) -> None:
    done = train("fit", *words("none")[1:], cwd=workplace)
    assert done.returncode == 2 and "VQAExpert has nothing to fit" in done.stderr and "predict" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not (workplace / "runs/tiny_expert/none-seed0").exists()
