"""Baselines that have nothing to train are compared the right way round."""

import json
from pathlib import Path

import pytest

from experiments.__main__ import main
from experiments.comparison.runs import find_runs
from records.image_scores import ImageScore, write_image_scores


def test_a_run_without_a_fit_says_by_its_score_which_way_is_better(tmp_path: Path) -> None:
    for name, score in (("blend", "l1"), ("bands", "psnr"), ("far", "st-lpips-alex")):
        folder = tmp_path / f"sr/{name}-seed0"
        folder.mkdir(parents=True)
        write_image_scores(
            folder / "image_scores.parquet", [ImageScore("a.png", "test", "synthetic", "a", {score: 1.0})]
        )
        (folder / "summary.json").write_text(json.dumps({"score_name": score, "test": {"score": 1.0}}))
    better = {name: runs[0].more_is_better for name, runs in find_runs(["sr"], tmp_path).items()}
    assert better == {"sr/blend": False, "sr/bands": True, "sr/far": False}


def test_what_was_never_fitted_is_not_unfinished_and_differs_in_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("fused", "blend"):
        folder = tmp_path / f"sr/{name}-seed0"
        folder.mkdir(parents=True)
        scores = [ImageScore(f"{image}.png", "test", "synthetic", image, {"l1": 1.0}) for image in "ab"]
        write_image_scores(folder / "image_scores.parquet", scores)
        (folder / "summary.json").write_text(json.dumps({"score_name": "l1", "test": {"score": 1.0}}))
    fitted = tmp_path / "sr/fused-seed0"
    (fitted / "config.yaml").write_text("trainer: {max_epochs: 2}\n")
    (fitted / "status.json").write_text(json.dumps({"state": "finished", "mode": "min"}))
    words = ["compare", "sr", "--root", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    text = (tmp_path / "out/report.md").read_text()
    assert "finished" not in text and "max_epochs" not in text
    (fitted / "status.json").write_text(json.dumps({"state": "failed", "mode": "min"}))
    assert main(words) == 0
    assert "Not all runs are finished: sr/fused-seed0 failed." in (tmp_path / "out/report.md").read_text()
