"""Pseudo-labels by the public command: killed at any rank and given again, the table is that of one go."""

import csv
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from records.files import read_json, read_lines
from records.pseudo_labels import PseudoLabels, read_pseudo_labels
from tests.command import ROOT, start, train
from tests.tiny_kvq import make_tiny_kvq

pytestmark = pytest.mark.slow

TEACHER = ("--config", ROOT / "tests/configs/tiny_teacher.yaml")
LABELS = ("--config", ROOT / "configs/trainer/pseudo_labels.yaml", "--run.experiment", "tiny_teacher")
CLIPS = 13 * 7


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained teacher beside a pool with a copy of a validation clip and a file that cannot be read."""
    folder = tmp_path_factory.mktemp("labels")
    make_tiny_kvq(folder / "data", 4, val=1, test=1)
    make_tiny_kvq(folder / "pool", 13, seed=1)
    shutil.copy(folder / "data/val/0003.mp4", folder / "pool/train/copied.mp4")
    (folder / "pool/train/broken.mp4").write_bytes(b"no video")
    done = train("fit", *TEACHER, "--trainer.max_epochs", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def words(variant: str, *more: str) -> tuple[object, ...]:
    """The command; one clip a batch, since the last bits of a score depend on what else is in the batch."""
    checkpoints = "runs/tiny_teacher/base-seed0/checkpoints"
    members = f"[{checkpoints}/best.ckpt,{checkpoints}/last.ckpt]"
    # The textures of the pool look alike, which is another test's concern.
    given = {
        "run.variant": variant,
        "model.init_args.members": members,
        "data.init_args.predict_paths": "[pool]",
        "data.init_args.eval_batch_size": "1",
        "trainer.callbacks.filters.copies": "false",
    }
    return ("predict", *TEACHER, *LABELS, *(f"--{key}={value}" for key, value in given.items()), *more)


def run_of(workplace: Path, variant: str) -> Path:
    return workplace / f"runs/tiny_teacher/{variant}-seed0"


def labelled(run: Path) -> list[str]:
    """Ids of every label on disk, in all parts."""
    parts = sorted((run / "pseudo_labels.parts").glob("part-*.jsonl"))
    return [row[0] for part in parts for row in read_lines(part) if isinstance(row, list)]


def table(run: Path) -> PseudoLabels:
    return read_pseudo_labels(run / "pseudo_labels.parquet")


@pytest.fixture(scope="module")
def whole(workplace: Path) -> Path:
    done = train(*words("whole"), cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "looks like" not in done.stderr and "1 clips are or look like validation" in done.stdout
    return run_of(workplace, "whole")


def kill(process: subprocess.Popen[str], run: Path, rank: int, after: int) -> None:
    """SIGKILL one rank, rank 0 with its group, once it has put ``after`` labels on disk."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        parts = list((run / "pseudo_labels.parts").glob(f"part-{rank}-*.jsonl"))
        if parts and parts[0].read_bytes().count(b"\n") > after:
            number = int(parts[0].stem.rpartition("-")[2])
            os.killpg(process.pid, signal.SIGKILL) if rank == 0 else os.kill(number, signal.SIGKILL)
            break
        time.sleep(0.002)
    output, _ = process.communicate(timeout=180)
    assert process.returncode, f"ended before it was killed: {output}"


def test_the_table_holds_the_pool_without_what_leaks_or_cannot_be_read(whole: Path) -> None:
    labels = table(whole)
    counts = labels.header["counts"]
    assert counts["pool"] == CLIPS + 2 and counts["unreadable"] == 1 and counts["leaks"] == 1
    assert "train/copied.mp4" not in labels.ids and not labels.header["transductive"]
    with open(whole / "pseudo_labels.leaks.csv", newline="") as file:
        (leak,) = list(csv.DictReader(file))
    assert (leak["id"], leak["guarded_id"]) == ("train/copied.mp4", "val/0003.mp4")
    assert len(labels.ids) == counts["labelled"] == CLIPS - counts["spread"] - counts["balance"]
    assert labels.ids == sorted(labels.ids) and np.isfinite(labels.spreads).all()
    assert len(labels.header["teacher"]) == 2
    assert sorted(labelled(whole)) == sorted({*labelled(whole)}) and len(labelled(whole)) == CLIPS + 1
    summary = read_json(whole / "summary.json")
    assert summary["pseudo_labels"]["labelled"] == counts["labelled"] and summary["transductive"] is False


@pytest.mark.parametrize(
    ("variant", "rank", "more"),
    [("one", 0, ()), ("two", 1, ("--trainer.devices", "2", "--trainer.strategy", "ddp"))],
)
def test_a_killed_rank_and_the_same_command_give_the_table_of_one_go(
    workplace: Path, whole: Path, variant: str, rank: int, more: tuple[str, ...]
) -> None:
    run = run_of(workplace, variant)
    kill(start(*words(variant, *more), cwd=workplace), run, rank, 5)
    before = labelled(run)
    assert 5 <= len(before) < CLIPS and not (run / "pseudo_labels.parquet").exists()
    again = train(*words(variant, *more), cwd=workplace)
    assert again.returncode == 0, again.stderr
    # Nothing was asked twice, nothing is lost, and what was on disk is part of it.
    assert sorted(labelled(run)) == sorted(labelled(whole)) and set(before) < set(labelled(run))
    ours, theirs = table(run), table(whole)
    assert ours.ids == theirs.ids and ours.contents == theirs.contents
    assert np.array_equal(ours.scores, theirs.scores) and np.array_equal(ours.spreads, theirs.spreads)
    assert ours.header["teacher"] == theirs.header["teacher"] and ours.header["counts"] == theirs.header["counts"]


def test_once_done_other_filters_cost_no_forward_and_leaks_can_be_allowed(workplace: Path, whole: Path) -> None:
    run = run_of(workplace, "again")
    shutil.copytree(whole, run)
    parts = {path.name: path.read_bytes() for path in (run / "pseudo_labels.parts").iterdir()}
    more = ("--trainer.callbacks.allow_transductive=true", "--trainer.callbacks.filters.spread_percentile=100")
    done = train(*words("again", *more, "--trainer.callbacks.filters.max_share=1"), cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in (run / "pseudo_labels.parts").iterdir()} == parts
    labels = table(run)
    assert len(labels.ids) == CLIPS + 1 and "train/copied.mp4" in labels.ids and labels.header["transductive"]
    assert "transductive" in done.stdout and read_json(run / "summary.json")["pseudo_labels"]["transductive"] is True
