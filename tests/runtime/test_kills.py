"""A run that is stopped goes on as if it had not been: same samples, same weights, bit for bit on the CPU."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from tests.command import TINY, start, train
from tests.tiny_kvq import make_tiny_kvq

pytestmark = pytest.mark.slow

# Long enough that a signal after some steps lands in the middle of an epoch.
LONG = ("--trainer.max_epochs", "3", "--data.init_args.batch_size", "4", "--trainer.accumulate_grad_batches", "2")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills")
    make_tiny_kvq(folder / "data", 12, val=2, test=2, width=160, height=120)
    return folder


def words(variant: str, *more: str) -> tuple[str, ...]:
    return ("fit", "--config", str(TINY), "--run.variant", variant, *LONG, *more)


def stop_after(process: subprocess.Popen[str], run: Path, steps: int, sign: int) -> int:
    """Send a signal once the record shows ``steps`` training steps, and return the exit code."""
    until = time.monotonic() + 120
    log = run / "metrics.jsonl"
    while time.monotonic() < until and process.poll() is None:
        if log.exists() and log.read_text().count("train/loss") >= steps:
            break
        time.sleep(0.02)
    assert process.poll() is None, f"ended too early: {process.communicate()[0]}"
    os.killpg(process.pid, sign) if sign == signal.SIGKILL else process.send_signal(sign)
    process.communicate(timeout=120)
    return process.returncode


def weights(run: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    raw = {f"raw.{name}": value for name, value in checkpoint["current_model_state"].items()}
    return {**checkpoint["state_dict"], **raw}


def assert_same(first: Path, second: Path) -> None:
    ours, theirs = weights(first), weights(second)
    assert ours.keys() == theirs.keys()
    different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert not different, f"{len(different)} of {len(ours)} tensors differ, {different[:3]}"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_sigterm_saves_exits_143_and_the_same_command_goes_on_bit_for_bit(workplace: Path, workers: str) -> None:
    more = ("--data.init_args.num_workers", workers)
    whole = train(*words(f"whole{workers}", *more), cwd=workplace)
    assert whole.returncode == 0, whole.stderr
    folder = workplace / f"runs/tiny_student/cut{workers}-seed0"
    command = words(f"cut{workers}", *more)
    # An epoch has 11 optimiser steps; step 16 is in the middle of the second of three.
    code = stop_after(start(*command, cwd=workplace), folder, 16, signal.SIGTERM)
    assert code == 143
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    stopped = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert stopped["epoch"] < 3
    again = train(*command, cwd=workplace)
    assert again.returncode == 0, again.stderr
    assert "going on from" in again.stdout
    assert_same(workplace / f"runs/tiny_student/whole{workers}-seed0", folder)
    assert json.loads((folder / "status.json").read_text())["state"] == "finished"


def test_ctrl_c_exits_130_and_keeps_the_state(workplace: Path) -> None:
    folder = workplace / "runs/tiny_student/ctrlc-seed0"
    code = stop_after(start(*words("ctrlc"), cwd=workplace), folder, 5, signal.SIGINT)
    assert code == 130
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    assert (folder / "checkpoints/last.ckpt").is_file()


def test_sigkill_goes_on_from_the_last_checkpoint_bit_for_bit(workplace: Path) -> None:
    whole = workplace / "runs/tiny_student/whole0-seed0"
    if not whole.is_dir():
        assert train(*words("whole0", "--data.init_args.num_workers", "0"), cwd=workplace).returncode == 0
    folder = workplace / "runs/tiny_student/killed-seed0"
    command = words("killed", "--data.init_args.num_workers", "0")
    code = stop_after(start(*command, cwd=workplace), folder, 16, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert json.loads((folder / "status.json").read_text())["state"] == "running"
    again = train(*command, cwd=workplace)
    assert again.returncode == 0, again.stderr
    assert_same(whole, folder)


def test_two_ranks_validate_like_one_and_resume_like_one_run(workplace: Path) -> None:
    two = ("--trainer.devices", "2", "--trainer.strategy", "ddp")
    whole = train(*words("two", *two), cwd=workplace)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    folder = workplace / "runs/tiny_student/two-cut-seed0"
    # Two ranks share an epoch's 5 optimiser steps.
    code = stop_after(start(*words("two-cut", *two), cwd=workplace), folder, 7, signal.SIGTERM)
    assert code == 143
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    again = train(*words("two-cut", *two), cwd=workplace)
    assert again.returncode == 0, again.stdout + again.stderr
    assert_same(workplace / "runs/tiny_student/two-seed0", folder)


def test_validate_is_the_same_on_one_and_two_processes(workplace: Path) -> None:
    from records.predictions import read_predictions

    assert train(*words("ranks", "--trainer.max_epochs", "1"), cwd=workplace).returncode == 0
    folder = workplace / "runs/tiny_student/ranks-seed0"
    found = []
    for devices in (("1",), ("2", "--trainer.strategy", "ddp")):
        (folder / "predictions.parquet").unlink()
        (folder / "summary.json").unlink()
        command = ("validate", *words("ranks", "--trainer.max_epochs", "1")[1:], "--trainer.devices", *devices)
        # 14 clips less one: the ranks hold 7 and 6.
        done = train(*command, cwd=workplace)
        assert done.returncode == 0, done.stdout + done.stderr
        rows = {row.id: row.prediction for row in read_predictions(folder / "predictions.parquet")}
        found.append((rows, json.loads((folder / "summary.json").read_text())["val"]["score"]))
    (one, first), (two, second) = found
    assert one.keys() == two.keys() and len(one) == 14
    assert max(abs(one[id] - two[id]) for id in one) < 1e-5
    assert round(first, 6) == round(second, 6)
