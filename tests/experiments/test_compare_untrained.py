"""Baselines that have nothing to train are compared the right way round."""

import json
from pathlib import Path

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
