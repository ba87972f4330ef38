"""What the pool gains or loses, by the command that the docs print."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT, environment


@pytest.mark.prove
def test_the_pipeline_runs_and_tells_the_change_with_its_interval(tmp_path: Path) -> None:
    env = {name: value for name, value in environment().items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, str(ROOT / "benchmarks/distillation.py"), "--root", "mini-kvq", "--runs", "runs"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert set(found) == {"val", "test", "both"}
    for figures in found.values():
        assert len(figures["with_pool"]) == len(figures["without"]) == 3
        low, high = figures["interval"]
        assert low <= figures["change"] <= high
        assert min(figures["with_pool"] + figures["without"] + [figures["teacher"]]) > 0.5
    failed = found["val"]["teacher"] <= sum(found["val"]["without"]) / 3
    assert ("premise failed" in done.stdout) == failed
