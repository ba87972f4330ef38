"""The mini student's accuracy, by the command that the docs print."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT, environment


@pytest.mark.prove
def test_pooled_folds_reach_the_floor_and_beat_the_ridge(tmp_path: Path) -> None:
    env = {name: value for name, value in environment().items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, str(ROOT / "benchmarks/accuracy.py"), "--root", "mini-kvq", "--runs", "runs"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    assert figures["srocc"] >= 0.60
    assert figures["srocc"] > figures["ridge"]["pretrained"]["srocc"]
    assert abs(figures["untrained"]) < 0.25
