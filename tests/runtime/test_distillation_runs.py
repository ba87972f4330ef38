"""Distillation through `train.py`: it resumes bit for bit, goes on from a first stage, and says what it learnt from."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from records.pseudo_labels import write_pseudo_labels
from tests.command import TINY, start, train
from tests.tiny_kvq import make_tiny_kvq

pytestmark = pytest.mark.slow

DISTILLED = TINY.with_name("tiny_distilled.yaml")
CLIPS = 21


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distilled")
    make_tiny_kvq(folder / "data", 8, val=2)
    make_tiny_kvq(folder / "extra", CLIPS // 7, seed=9)
    (folder / "extra" / "train").rename(folder / "extra" / "more")
    label(folder / "pool.parquet", transductive=False)
    label(folder / "leaky.parquet", transductive=True)
    return folder


def label(path: Path, transductive: bool) -> None:
    ids = [f"more/{place + 1:04d}.mp4" for place in range(CLIPS)]
    scores, spreads = np.linspace(1, 4, CLIPS, dtype=np.float32), np.full(CLIPS, np.nan, dtype=np.float32)
    header = {"teacher": ["0" * 64], "transductive": transductive}
    write_pseudo_labels(path, ids, scores, spreads, [f"p{place // 7}" for place in range(CLIPS)], header)


def words(variant: str, *more: object) -> tuple[object, ...]:
    return ("fit", "--config", DISTILLED, "--run.variant", variant, *more)


def state(run: Path) -> dict[str, torch.Tensor]:
    """Averaged and raw weights, and the memory of each loss."""
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    raw = {f"raw.{name}": value for name, value in checkpoint["current_model_state"].items()}
    return {**checkpoint["state_dict"], **raw}


def test_a_stopped_run_with_pool_memory_and_averages_goes_on_bit_for_bit(workplace: Path) -> None:
    runs = workplace / "runs/tiny_distilled"
    # 14 steps an epoch; the pool of five batches is passed through several times.
    short = ("--trainer.max_epochs", "2")
    whole = train(*words("whole", *short), cwd=workplace)
    assert whole.returncode == 0, whole.stderr
    process = start(*words("cut", *short), cwd=workplace)
    log, until = runs / "cut-seed0/metrics.jsonl", time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        if log.exists() and log.read_text().count("train/loss") >= 5:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=120)[0]
    assert process.returncode == 143, told
    again = train(*words("cut", *short), cwd=workplace)
    assert again.returncode == 0 and "going on from" in again.stdout, again.stderr
    ours, theirs = state(runs / "cut-seed0"), state(runs / "whole-seed0")
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert ours["raw.loss.terms.plcc.filled"] == 64 and ours["raw.loss.terms.plcc.targets"].abs().min() > 0
    summary = json.loads((runs / "cut-seed0/summary.json").read_text())
    assert summary["pool"]["clips"] == CLIPS and summary["transductive"] is False


def test_a_second_stage_goes_on_from_the_first_and_keeps_its_stamp(workplace: Path) -> None:
    runs, epoch = workplace / "runs/tiny_distilled", ("--trainer.max_epochs", "1")
    pool = ("--data.init_args.pool.share", "1.0", "--data.init_args.pool.labels", "leaky.parquet")
    first = train(*words("first", *epoch, *pool), cwd=workplace)
    assert first.returncode == 0 and "transductive" in first.stdout, first.stderr
    checkpoint = torch.load(runs / "first-seed0/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["transductive"] is True
    # The scale of the teacher's scores, not that of the labels.
    assert checkpoint["state_dict"]["network.head.label_mean"] == pytest.approx(2.5)
    steps = [json.loads(line) for line in (runs / "first-seed0/metrics.jsonl").read_text().splitlines()]
    assert any("train/pool_loss" in row for row in steps) and not any("train/label_loss" in row for row in steps)
    begin = ("--model.init_args.init_from", "runs/tiny_distilled/first-seed0/checkpoints/last.ckpt")
    second = train(*words("second", *epoch, *begin, "--data.init_args.pool", "null"), cwd=workplace)
    assert second.returncode == 0, second.stderr
    summary = json.loads((runs / "second-seed0/summary.json").read_text())
    assert summary["transductive"] is True and len(summary["began_from"]["hash"]) == 64
    assert "pool" not in summary and "transductive" in second.stdout
