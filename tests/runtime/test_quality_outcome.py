"""What a run's summary says of scored videos: rank and scale apart."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from records.predictions import Prediction, write_predictions
from runtime.quality_outcome import QualityOutcome


def scores(folder: Path, said: np.ndarray, labels: np.ndarray) -> dict:
    rows = [
        Prediction(f"{place}.mp4", float(said[place]), float(label), "label", f"c{place // 4}", "test")
        for place, label in enumerate(labels)
    ]
    write_predictions(folder / "predictions.parquet", rows)
    found = QualityOutcome(folder, "test", SimpleNamespace(pairs=lambda split: [])).scores()
    assert found is not None
    return found


def test_a_prediction_in_another_unit_keeps_its_rank_and_its_error_after_a_fit(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).uniform(1, 5, 40)
    said = labels + 0.3 * np.random.default_rng(1).normal(size=40)
    own, other = (scores(tmp_path, each, labels) for each in (said, 10 * said - 20))
    for name in ("srocc", "krocc", "plcc", "plcc_fit4", "rmse_fit4"):
        assert other[name] == pytest.approx(own[name], abs=1e-4), name
    assert own["rmse"] == pytest.approx(np.sqrt(np.mean((said - labels) ** 2)), abs=1e-5)
    assert own["rmse_fit4"] < own["rmse"] < 0.5 < 10 < other["rmse"]


def test_predictions_that_are_all_equal_have_an_error_and_no_rank(tmp_path: Path) -> None:
    found = scores(tmp_path, np.full(8, 3.0), np.linspace(1, 5, 8))
    assert found["rmse"] == pytest.approx(np.linspace(1, 5, 8).std()) and not {"krocc", "rmse_fit4"} & found.keys()
