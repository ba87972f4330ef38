"""A chain of runs can be followed by the hashes in their own records, and W&B gets the checkpoints by the same ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from callbacks.lineage import Lineage
from records.hashing import file_hash
from tests.command import TINY, train
from tests.tiny_kvq import make_tiny_kvq


def test_outputs_are_told_once_they_are_there(tmp_path: Path) -> None:
    found = Lineage(tmp_path / "best.ckpt")
    assert found.figures == {"inputs": [], "outputs": {}}
    (tmp_path / "best.ckpt").write_bytes(b"x")
    assert found.figures["outputs"] == {"best.ckpt": file_hash(tmp_path / "best.ckpt")}


@pytest.mark.slow
def test_a_run_names_what_it_began_with_and_wandb_what_it_made(tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", 8, val=3, test=2, width=64, height=48)
    words = ["fit", "--config", TINY, "--trainer.max_epochs", "1", "--data.init_args.batch_size", "4"]
    first = train(*words, "--wandb.mode", "offline", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    run = tmp_path / "runs/tiny_student/base-seed0"
    summary = json.loads((run / "summary.json").read_text())
    (data,) = summary["inputs"]
    assert (data["kind"], data["hash"]) == ("data", summary["split_hash"])
    made = summary["outputs"]["best.ckpt"]
    assert made == file_hash(run / "checkpoints/best.ckpt")

    (log,) = run.glob("wandb/offline-run-*/*.wandb")
    wandb = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json"]
    records = subprocess.run([*wandb, str(log)], capture_output=True, text=True, check=True, timeout=60).stdout
    logged = [json.loads(line) for line in records.splitlines() if f"checkpoint-{made[:16]}" in line]
    assert logged, "the best checkpoint is an artifact, named by its hash"

    best = run / "checkpoints/best.ckpt"
    second = train(*words, "--model.init_args.init_from", best, "--run.variant", "second", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    inputs = json.loads((run.with_name("second-seed0") / "summary.json").read_text())["inputs"]
    assert [each["hash"] for each in inputs if each["kind"] == "checkpoint"] == [made]
    tested = train("test", *words[1:], "--run.variant", "second", cwd=tmp_path)
    assert tested.returncode == 0, tested.stderr
    assert json.loads((run.with_name("second-seed0") / "summary.json").read_text())["inputs"] == inputs
