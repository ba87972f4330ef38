"""A sweep over real fits: the smallest student on tiny clips."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from tests.command import ROOT, TINY, experiments
from tests.tiny_kvq import make_tiny_kvq

pytest.importorskip("optuna")


@pytest.mark.slow
def test_trials_train_and_what_is_over_budget_trains_nothing(tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", 8, val=3, test=2, width=64, height=48)
    told = {
        "program": str(ROOT / "train.py"),
        "method": "grid",
        "command": ["${interpreter}", "${program}", "fit", "--config", str(TINY), "--trainer.max_epochs=1", "${args}"],
        "metrics": [{"name": "val/final_score", "goal": "maximize"}, {"name": "gmacs", "goal": "minimize"}],
        "parameters": {"budget.max_gmacs": {"values": [1e-6, 120.0]}},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(told))
    done = experiments("sweep", "s.yaml", "--jobs", "2", "--add=--data.init_args.batch_size=4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    with (tmp_path / "sweeps/s/trials.csv").open(encoding="utf-8") as file:
        complete, over = csv.DictReader(file)
    assert (complete["state"], over["state"]) == ("complete", "over budget")
    assert float(complete["gmacs"]) > 0
    summary = json.loads((tmp_path / "runs" / complete["run"] / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert "GMACs a video are over the budget" in over["why"]
    assert not list((tmp_path / "runs" / over["run"]).glob("checkpoints/*.ckpt")) if over["run"] else True
