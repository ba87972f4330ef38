"""A new error comes with a case that raises it by a public command, or with a line in unreached.txt."""

import os
import subprocess
import sys

import pytest

from tests.command import ROOT
from tests.errors.reached import known, listed, unreached


@pytest.mark.prove
def test_every_error_is_raised_or_listed(tmp_path, proven):
    notes = tmp_path / "reached.jsonl"
    options = ["-q", "-p", "tests.errors.reached", "-m", "slow or prove or not slow", "--ignore", __file__]
    command = [sys.executable, "-m", "pytest", *options, str(ROOT / "tests/errors")]
    environment = {**os.environ, "SUGC_ERROR_SITES": str(notes), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    left, reached = unreached(notes)
    found, reasons = {listed(site) for site in left}, known()
    assert not found - reasons.keys(), "give each a case here, or list it"
    waiting = sum(not reasons[name] for name in found)
    told = f"{len(reached)} of {len(reached) + len(left)}; {waiting} wait for a test, the others no command raises here"
    proven("errors raised by a public command", told)
