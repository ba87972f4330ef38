"""Signals at any moment of a job of two ranks: a clean stop behind one step, and the state of that step saved."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment, SLURMEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException

from runtime import stop_signals
from tests.command import TINY, environment, start
from tests.tiny_kvq import make_tiny_kvq

WORDS = ("fit", "--config", str(TINY), "--trainer.max_epochs", "30", "--data.init_args.batch_size", "4")
TWO = ("--trainer.devices", "2", "--trainer.strategy", "ddp")


def stopped(process: subprocess.Popen[str], log: Path, steps: int, wait: float, sign: int) -> tuple[int, str]:
    """Signal the first rank some time after a step; exit code and what was printed."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if log.exists() and log.read_text().count("train/loss") >= steps:
            break
        time.sleep(0.01)
    time.sleep(wait)
    process.send_signal(sign)
    printed = process.communicate(timeout=120)[0]
    return process.returncode, printed


@pytest.mark.slow
def test_two_ranks_stop_at_one_step_whenever_the_signal_comes(tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", 6, val=3)
    draw = random.Random(0)
    for number, sign in enumerate((signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGTERM)):
        folder = tmp_path / f"runs/tiny_student/stop{number}-seed0"
        process = start(*WORDS, *TWO, "--run.variant", f"stop{number}", cwd=tmp_path)
        # Training and validation take turns within a second; the wait lands in either.
        code, printed = stopped(process, folder / "metrics.jsonl", draw.randint(1, 12), draw.random(), sign)
        assert code == 128 + sign, printed
        assert f"interrupted by {sign.name}; the same command goes on" in printed
        status = json.loads((folder / "status.json").read_text())
        assert status["state"] == "interrupted" and status["signal"] == sign, printed
        assert (folder / "checkpoints/last.ckpt").is_file()


class Trainer(SimpleNamespace):
    """What the callback asks of a trainer."""

    def __init__(self, cluster: Any = None, world: int = 1, fn: str = "fit") -> None:
        self.passed: list[int] = []
        super().__init__(
            _signal_connector=SimpleNamespace(received_sigterm=False),
            _accelerator_connector=SimpleNamespace(cluster_environment=cluster or LightningEnvironment()),
            strategy=SimpleNamespace(launcher=SimpleNamespace(kill=self.passed.append)),
            state=SimpleNamespace(fn=fn),
            world_size=world,
            is_global_zero=True,
        )


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch):
    """Handlers as they would be in a process of their own, and given back."""
    before = {number: signal.getsignal(number) for number in stop_signals.SIGNALS}
    for name in ("_noticed", "_requeue_on", "_pass_on"):
        monkeypatch.setattr(stop_signals, name, None)
    for number in before:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_is_noted_and_stops_behind_the_batch(number: int) -> None:
    trainer = Trainer()
    stop_signals.StopSignals().setup(trainer, None, "fit")
    os.kill(os.getpid(), number)
    # `timeout` signals twice at once: the second one must not end the process.
    os.kill(os.getpid(), number)
    assert stop_signals.noticed() == number and trainer.passed == []
    assert trainer._signal_connector.received_sigterm is True
    assert stop_signals.leave() == 128 + number


def test_ranks_of_a_fit_do_not_stop_before_they_agree() -> None:
    trainer = Trainer(world=2)
    callback = stop_signals.StopSignals()
    callback.setup(trainer, None, "fit")
    os.kill(os.getpid(), signal.SIGUSR1)
    assert trainer._signal_connector.received_sigterm is False
    trainer.strategy.reduce_boolean_decision = lambda mine, all: mine
    callback.on_train_batch_end(trainer, None, None, None, 0)
    assert trainer._signal_connector.received_sigterm is True


def test_a_started_rank_notes_what_is_passed_on_before_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_signals.listen()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    monkeypatch.setenv("LOCAL_RANK", "1")
    stop_signals.listen()
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop_signals.noticed() == signal.SIGTERM
    trainer = Trainer(fn="predict")
    callback = stop_signals.StopSignals()
    callback.setup(trainer, None, "predict")
    with pytest.raises(SIGTERMException):
        callback.on_predict_batch_start(trainer, None, None, 0)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert trainer._signal_connector.received_sigterm is True


@pytest.mark.parametrize("early", [False, True])
def test_ranks_of_an_evaluation_are_told_while_they_work(early: bool) -> None:
    trainer = Trainer(world=2, fn="predict")
    callback = stop_signals.StopSignals()
    callback.setup(trainer, None, "predict")
    if early:
        os.kill(os.getpid(), signal.SIGTERM)
    callback.on_predict_start(trainer, None)
    if not early:
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    assert trainer.passed == [signal.SIGTERM]


def test_ranks_that_are_through_are_let_leave() -> None:
    trainer = Trainer(world=2, fn="predict")
    callback = stop_signals.StopSignals()
    callback.setup(trainer, None, "predict")
    callback.on_predict_start(trainer, None)
    callback.on_predict_end(trainer, None)
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop_signals.noticed() == signal.SIGTERM and trainer.passed == []


def test_a_prediction_stops_before_its_next_batch() -> None:
    trainer = Trainer(fn="predict")
    callback = stop_signals.StopSignals()
    callback.setup(trainer, None, "predict")
    callback.on_predict_batch_start(trainer, None, None, 0)
    os.kill(os.getpid(), signal.SIGUSR1)
    with pytest.raises(SIGTERMException):
        callback.on_predict_batch_start(trainer, None, None, 1)


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, time\n"
        "from tests.runtime.test_stop_signals import Trainer, stop_signals\n"
        "trainer = Trainer()\n"
        "stop_signals.AGAIN = 0.0\n"
        "stop_signals.StopSignals().setup(trainer, None, 'fit')\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "print('goes on', flush=True)\n"
        "time.sleep(0.01)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "print('not reached')\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 130 and done.stdout == "goes on\n", done.stderr
    assert "Ctrl-C again stops at once" in done.stderr


def test_handlers_of_others_and_ignored_signals_stay() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    mine = signal.getsignal(signal.SIGUSR1)
    stop_signals.StopSignals().setup(Trainer(), None, "fit")
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGUSR1) is mine


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A job of SLURM with an ``scontrol`` that notes what it is told."""
    for name, value in {"NTASKS": 1, "JOB_ID": 77, "PROCID": 0, "LOCALID": 0, "NODEID": 0}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    scontrol, told = tmp_path / "scontrol", tmp_path / "told"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return told


@pytest.mark.parametrize("array", [False, True])
def test_slurm_gets_its_job_back_after_its_own_signal(slurm: Path, monkeypatch: Any, array: bool) -> None:
    if array:
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "70")
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    stop_signals.StopSignals().setup(Trainer(SLURMEnvironment()), None, "fit")
    os.kill(os.getpid(), signal.SIGUSR1)
    assert not slurm.exists(), "asked before anything is saved"
    assert stop_signals.leave() == 128 + signal.SIGUSR1
    assert slurm.read_text() == f"requeue {'70_3' if array else 77}\n"


@pytest.mark.parametrize(("requeue", "number"), [(True, signal.SIGTERM), (False, signal.SIGUSR1)])
def test_slurm_is_not_asked_after_another_signal_or_where_it_is_not_wanted(
    slurm: Path, monkeypatch: Any, requeue: bool, number: int
) -> None:
    stop_signals.StopSignals().setup(Trainer(SLURMEnvironment(auto_requeue=requeue)), None, "fit")
    monkeypatch.setattr(stop_signals, "_noticed", number)
    assert stop_signals.leave() == 128 + number
    assert not slurm.exists()


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({}, 143),
        ({"LOCAL_RANK": "0"}, 143),
        ({"LOCAL_RANK": "1"}, 0),
        ({"LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "job"}, 143),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "1"}, 143),
    ],
)
def test_only_a_rank_that_the_first_one_started_leaves_with_zero(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], code: int
) -> None:
    for name in ("LOCAL_RANK", "TORCHELASTIC_RUN_ID", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert stop_signals.leave() == code
