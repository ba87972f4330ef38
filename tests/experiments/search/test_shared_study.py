"""A study that several processes of one machine serve."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.search.engine import ENGINE, HOST, PROCESS, Engine
from experiments.search.space import space_of
from experiments.search.sweep_file import read_sweep
from experiments.search.trial import identity, lives
from tests.experiments.search.test_sweep import sweep_file

optuna = pytest.importorskip("optuna")


@pytest.mark.parametrize("served", [True, False])
def test_a_trial_of_a_process_that_lives_is_left_to_it(tmp_path: Path, served: bool, capsys) -> None:
    sweep = read_sweep(sweep_file(tmp_path))
    space = space_of(sweep)
    study = optuna.create_study(direction="maximize")
    trial = study.ask(space.distributions)
    engine = identity(os.getpid()) if served else "1 0"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as process:
        for name, value in ((HOST, socket.gethostname()), (ENGINE, engine), (PROCESS, identity(process.pid))):
            trial.set_user_attr(name, value)
        Engine(sweep, space, study, tmp_path, tmp_path, limit=1)._take_up()
        assert (process.poll() is None) == served
        process.kill()
    assert ("which still runs" in capsys.readouterr().out) == served
    assert [each.state.name for each in study.trials] == (["RUNNING"] if served else ["FAIL", "WAITING"])


@pytest.mark.parametrize("known", [None, "", "x", "1", 7, "99999999 1", "{own} 0"])
def test_no_other_process_is_taken_for_it(known: object) -> None:
    assert not lives(known.replace("{own}", str(os.getpid())) if isinstance(known, str) else known)
