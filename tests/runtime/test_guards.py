"""Values that are not finite, memory and disks that run out: one sentence, nothing lost, the same command goes on."""

import csv
import json
import subprocess
import warnings
from pathlib import Path

import pytest
import torch
import yaml

from experiments.__main__ import main as experiments
from models.vqa.timm_frames import TimmFrames
from tests.command import TINY, train
from tests.tiny_kvq import make_tiny_kvq


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guards")
    make_tiny_kvq(folder / "data", 4, val=2, width=160, height=120)
    return folder


def config(folder: Path, name: str, frames: dict | None = None, **more) -> Path:
    """The tiny student with another branch."""
    values = {"base": str(TINY), **more}
    if frames:
        branch = {"class_path": f"tests.stand_ins.{frames.pop('kind')}", "init_args": frames}
        values["model"] = {"init_args": {"network": {"init_args": {"branches": {"frames": branch}}}}}
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


@pytest.mark.slow
def test_a_nan_stops_the_run_keeps_its_checkpoint_and_the_same_command_may_leave_such_steps_out(workplace):
    # An epoch has 4 batches of 7.
    poisoned = {"kind": "PoisonedFrames", "name": "test_efficientnet", "at": [5]}
    file = config(workplace, "poisoned", poisoned, trainer={"max_epochs": 2})
    run = workplace / "runs/poisoned/base-seed0"
    done = train("fit", "--config", file, cwd=workplace)
    assert done.returncode == 1, done.stdout + done.stderr
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "Traceback" not in done.stderr
    assert "step 5 of epoch 1: the loss is nan, first in the output of network.branches.frames" in told
    assert "inputs and targets are finite; batch 1: train/" in told and "--guard.policy skip" in told
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "failed" and "the loss is nan" in status["error"]
    (row,) = [json.loads(line) for line in (run / "not_finite.jsonl").read_text().splitlines()]
    assert len(row["ids"]) == 7 and all((workplace / "data" / id).is_file() for id in row["ids"])
    kept = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert kept["global_step"] == 4 and all(bool(torch.isfinite(value).all()) for value in weights(run).values())
    # The number of passes begins anew with the process: what goes on is not poisoned.
    again = train("fit", "--config", file, "--guard.policy", "skip", cwd=workplace)
    assert again.returncode == 0 and "going on from" in again.stdout, again.stderr
    assert json.loads((run / "status.json").read_text())["state"] == "finished"


@pytest.mark.prove
def test_ranks_leave_a_step_out_alike(workplace, proven):
    poisoned = {"kind": "PoisonedFrames", "name": "test_efficientnet", "at": [1], "rank": 1}
    sums = {"class_path": "tests.stand_ins.WeightsOfRanks", "init_args": {"folder": str(workplace)}}
    # An epoch has 2 batches of 7 on each rank.
    options = {"max_epochs": 2, "devices": 2, "strategy": "ddp", "callbacks": [sums]}
    file = config(workplace, "ranks", poisoned, trainer=options, guard={"policy": "skip"})
    done = train("fit", "--config", file, cwd=workplace)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (json.loads((workplace / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second and all(abs(each) < 1e9 for each in first)
    run = workplace / "runs/ranks/base-seed0"
    assert json.loads((run / "summary.json").read_text())["skipped_steps"] == 1
    rows = [json.loads(line) for line in (run / "not_finite.jsonl").read_text().splitlines()]
    culprit = [row for row in rows if "network.branches.frames" in row["began"]]
    assert [(row["rank"], row["step"]) for row in culprit] == [(1, 1)]
    assert "step 1 of epoch 0, rank 1 left out" in done.stderr
    proven("steps left out", "1 step, whose values were poisoned on one rank of 2: weights equal on both ranks")


@pytest.mark.slow
def test_evaluation_takes_smaller_parts_and_training_says_what_to_lower(workplace, monkeypatch):
    fitted = train("fit", "--config", TINY, "--trainer.max_epochs", "1", cwd=workplace)
    assert fitted.returncode == 0, fitted.stderr
    plain = workplace / "runs/tiny_student/base-seed0"
    best = plain / "checkpoints/best.ckpt"
    hungry = {"kind": "HungryFrames", "name": "test_efficientnet", "most": 1}
    file = config(workplace, "hungry", hungry)
    done = train("validate", "--config", file, "--ckpt_path", best, cwd=workplace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "out of memory: videos in one pass from 7 to 3" in done.stderr
    assert "out of memory: frames or clips of frames in one pass from 2 to 1" in done.stderr
    ours, theirs = (
        json.loads((run / "summary.json").read_text())["val"]["score"]
        for run in (plain, workplace / "runs/hungry/base-seed0")
    )
    assert round(ours, 6) == round(theirs, 6)

    clips = sorted((workplace / "data/val").glob("*.mp4"))[:2]
    tokens, scores = TimmFrames._tokens, []
    for most in (2, 1, 0):

        def hungry_tokens(self, frames, most=most):
            if len(frames) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return tokens(self, frames)

        monkeypatch.setattr(TimmFrames, "_tokens", hungry_tokens)
        table = workplace / f"scores-{most}.csv"
        with warnings.catch_warnings(record=True) as told:
            code = experiments(["assess", *map(str, clips), "--checkpoint", str(best), "--out", str(table)])
        rows = list(csv.DictReader(table.open()))
        assert code == int(most == 0)
        assert any("in one pass from 2 to 1" in str(each.message) for each in told) is (most < 2)
        if most == 0:
            assert all(row["error"] == "out of memory with one video, a frame or clip at a time" for row in rows)
        else:
            scores.append([float(row["score"]) for row in rows])
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)

    hungry = {"kind": "HungryFrames", "name": "test_efficientnet", "most": 1, "training": True}
    done = train("fit", "--config", config(workplace, "starved", hungry), cwd=workplace)
    assert done.returncode == 1
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "out of memory" in told and "lower data.init_args.batch_size" in told and "--dry_run" in told
    assert "Traceback" not in done.stderr


@pytest.mark.prove
def test_a_disk_that_fills_up_costs_no_checkpoint_and_the_same_command_goes_on(workplace, proven):
    disk = workplace / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        fill = {"ballast": str(disk / "ballast"), "epoch": 1, "room": 200_000}
        callbacks = [{"class_path": "tests.stand_ins.FillDisk", "init_args": fill}]
        file = config(workplace, "full", trainer={"max_epochs": 3, "callbacks": callbacks}, run={"root": str(disk)})
        done = train("fit", "--config", file, cwd=workplace)
        run = disk / "full/base-seed0"
        told = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        assert done.returncode == 1 and len(told) == 1, done.stderr
        assert ".ckpt: no room to write it" in told[0] and "type the same command again" in told[0]
        assert "Traceback" not in done.stderr
        kept = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
        assert kept["epoch"] == 0 and not list((run / "checkpoints").glob(".*"))
        status = json.loads((run / "status.json").read_text())
        assert status["state"] == "failed" and "no room to write it" in status["error"]

        refused = train("fit", "--config", file, cwd=workplace)
        assert refused.returncode == 1 and "the run's checkpoints will take about" in refused.stderr, refused.stderr
        (disk / "ballast").unlink()
        again = train("fit", "--config", file, cwd=workplace)
        assert again.returncode == 0 and "going on from" in again.stdout, again.stderr
        assert json.loads((run / "status.json").read_text())["state"] == "finished"
        proven("disk full", "1 run on a disk of 16 MiB that fills up in its second epoch: last checkpoint whole")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
