"""Run folders as finished runs leave them, without a fit."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from records.files import append_line, write_json
from records.image_scores import ImageScore, write_image_scores
from records.predictions import Prediction, write_predictions

CONTENTS, EACH = 40, 5


def scored_run(root: Path, variant: str, seed: int, noise: float, **summary: Any) -> Path:
    """A quality run whose predictions are the labels and that much noise."""
    labels = np.random.default_rng(7).uniform(1, 5, CONTENTS * EACH)
    said = labels + noise * np.random.default_rng(1000 * seed + sum(map(ord, variant))).normal(size=len(labels))
    rows = [
        Prediction(f"{place}.mp4", float(said[place]), float(label), "label", f"c{place // EACH}", "test")
        for place, label in enumerate(labels)
    ]
    folder = root / "exp" / f"{variant}-seed{seed}"
    folder.mkdir(parents=True)
    write_predictions(folder / "predictions.parquet", rows)
    correlation = float(np.corrcoef(said, labels)[0, 1])
    _common(
        folder, variant, seed, {"score": correlation, "interval": [correlation - 0.02, correlation + 0.02]}, summary
    )
    return folder


def restored_run(root: Path, variant: str, seed: int, gain: float) -> Path:
    """A super-resolution run whose images are ``gain`` dB better than plain ones."""
    plain = np.random.default_rng(3).uniform(20, 30, 24)
    rows = [
        ImageScore(f"{place}.png", "test", "synthetic", f"photo{place // 4}", {"psnr": float(value + gain)})
        for place, value in enumerate(plain)
    ]
    folder = root / "sr" / f"{variant}-seed{seed}"
    folder.mkdir(parents=True)
    write_image_scores(folder / "image_scores.parquet", rows)
    _common(folder, variant, seed, {"score": float(plain.mean() + gain)}, {"score_name": "psnr"})
    return folder


def _common(folder: Path, variant: str, seed: int, test: dict[str, Any], summary: dict[str, Any]) -> None:
    config = {
        "seed_everything": seed,
        "run": {"variant": variant},
        "budget": {"max_gmacs": 120.0},
        "model": {"init_args": {"lr": {"base": 1e-3}.get(variant, 1e-4), "width": 64}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    told = {"score_name": "final_no_rank", "split_hash": "aa", "gmacs": 10.0 + len(variant), "params_m": 3.0,
            "git": {"commit": "c0ffee", "dirty": False}, "test": test}  # fmt: skip
    write_json(folder / "summary.json", told | summary)
    write_json(folder / "status.json", {"state": "finished", "seconds": 90.0, "mode": "max"})
    for step in (1, 2):
        append_line(folder / "metrics.jsonl", {"step": step, "epoch": step, "val/final_score": 0.5 + step / 10 + seed})
