"""Runnable configs on the official layout, made small by overrides alone."""

import json
from pathlib import Path

import pytest

from tests.command import ROOT, train
from tests.tiny_kvq import make_tiny_kvq

SMALL = {
    "trainer.accelerator": "cpu",
    "trainer.precision": "32-true",
    "trainer.max_epochs": "1",
    "data.init_args.root": "data",
    "data.init_args.batch_size": "14",
    "data.init_args.ladders_per_batch": "2",
    "data.init_args.num_workers": "0",
    "data.init_args.views.frames.init_args.size": "64",
    "data.init_args.views.frames.init_args.sampler.init_args.count": "2",
    "model.init_args.network.init_args.branches.frames.init_args.window_size": "2",
    "model.init_args.network.init_args.branches.frames.init_args.pretrained": "false",
    "wandb.mode": "disabled",
}


@pytest.mark.slow
def test_sharpmind_student_fits_the_official_layout_reduced_by_overrides_only(tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", 4, val=1, test=1)
    words = [f"--{key}={value}" for key, value in SMALL.items()]
    done = train("fit", "--config", ROOT / "configs/exp/kvq/sharpmind_student.yaml", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs/sharpmind_student/base-seed0"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["val"]["n"] == 7 and 0 < summary["gmacs"] < 5 and 27 < summary["params_m"] < 34


@pytest.mark.slow
def test_weights_that_cannot_be_fetched_are_told_with_the_key_that_takes_a_file(tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", 4, val=1, test=1)
    words = [f"--{key}={value}" for key, value in SMALL.items() if not key.endswith("pretrained")]
    config = ROOT / "configs/exp/kvq/sharpmind_student.yaml"
    done = train("fit", "--config", config, *words, cwd=tmp_path, HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert "weights" in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr
