import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from runtime import wandb_logger
from runtime.options import WandbOptions
from runtime.run_folder import RunFolder
from runtime.wandb_logger import DashboardLogger, has_key, make_wandb_logger, run_id, without_secrets

ROOT = Path(__file__).resolve().parents[2]
CLOUD = "https://api.wandb.ai"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path, "student", "base", 3)
    run.path.mkdir(parents=True)
    return run


def settings(**values) -> SimpleNamespace:
    import wandb

    default = {"api_key": None, "identity_token_file": None, "base_url": wandb.Settings().base_url, "mode": "online"}
    return SimpleNamespace(**default | values)


@pytest.fixture(autouse=True)
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)


def test_a_key_is_found_in_the_settings_and_in_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_key(settings())
    assert has_key(settings(api_key="x"))
    assert has_key(settings(identity_token_file="token.jwt"))
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password abc\n")
    assert has_key(settings())
    assert not has_key(settings(base_url="https://wandb.example.org"))
    (tmp_path / "elsewhere").write_text("machine wandb.example.org:8080 login user password abc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "elsewhere"))
    assert has_key(settings(base_url="https://wandb.example.org:8080"))
    assert not has_key(settings())
    for torn in ("machine api.wandb.ai login", "machine"):
        (tmp_path / "elsewhere").write_text(torn)
        assert not has_key(settings())


@pytest.mark.parametrize(
    ("asked", "values", "modes"),
    [
        ("auto", {}, ["offline"]),
        ("auto", {"api_key": "x"}, ["online", "offline"]),
        ("auto", {"api_key": "x", "mode": "offline"}, ["offline"]),
        ("auto", {"api_key": "x", "mode": "dryrun"}, ["offline"]),
        ("auto", {"api_key": "x", "mode": "disabled"}, []),
        ("online", {"api_key": "x"}, ["online", "offline"]),
        ("online", {}, ["offline"]),
        ("offline", {"api_key": "x"}, ["offline"]),
        ("disabled", {"api_key": "x"}, []),
    ],
)
def test_mode(asked: str, values: dict, modes: list[str], folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    tried = []

    def start(run, options, config, job_type, offline):
        tried.append("offline" if offline else "online")
        raise OSError("no network")

    monkeypatch.setattr(wandb, "setup", lambda: SimpleNamespace(settings=settings(**values)))
    monkeypatch.setattr(wandb, "teardown", lambda: None)
    monkeypatch.setattr(wandb_logger, "_start", start)
    assert make_wandb_logger(folder, WandbOptions(mode=asked), {}, "student") == []
    assert tried == modes


def test_secrets_stay_out_of_the_configuration() -> None:
    config = {"a": [{"hf_token": "x", "tokens": 8, "api_key": ""}], "apiKey": "x", "db": {"PASSWORD": "x"}, "lr": 0.1}
    assert without_secrets(config) == {
        "a": [{"hf_token": "(hidden)", "tokens": 8, "api_key": ""}],
        "apiKey": "(hidden)",
        "db": {"PASSWORD": "(hidden)"},
        "lr": 0.1,
    }


def test_the_id_is_kept_in_the_run_folder(folder: RunFolder) -> None:
    first = run_id(folder)
    assert run_id(folder) == first
    (folder.path / "wandb.json").unlink()  # as --restart does, which moves the folder aside
    second = run_id(folder)
    assert second != first
    (folder.path / "wandb.json").write_text("torn")
    assert run_id(folder) not in (first, second)


class Burnt:
    """A run whose every call fails."""

    def __getattr__(self, name):
        raise ConnectionError("service died")


class Stuck:
    """A run whose calls never come back."""

    settings = SimpleNamespace(sync_dir="runs/a b/wandb/run-1")

    def __init__(self):
        self.calls, self.released = 0, threading.Event()

    def log(self, values):
        self.calls += 1
        self.released.wait(60)


def test_a_dashboard_that_fails_costs_one_line(capsys: pytest.CaptureFixture) -> None:
    logger = DashboardLogger(experiment=Burnt(), save_dir="runs/one")
    for step in range(3):
        logger.log_metrics({"val/final_score": 0.5}, step)
    logger.log_media([("picture", 1, 0)], 0)
    logger.log_hyperparams({"gmacs": 1.0})
    logger.finalize("success")
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "W&B: lost (ConnectionError: service died), the run goes on; upload what it has with: wandb sync runs/one/wandb"
    ]


def test_a_dashboard_that_never_answers_is_waited_for_once_and_never_by_a_step(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_logger, "MEDIA_SECONDS", 0.2)
    logger = DashboardLogger(experiment=(run := Stuck()))
    # More than any queue holds: all of it is done while the first call still hangs.
    for step in range(20_000):
        logger.log_metrics({"train/loss": 0.5}, step)
    assert run.calls <= 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and "calls went unanswered" in told[0] and "wandb sync 'runs/a b/wandb/run-1'" in told[0]
    logger.log_media([("picture", 1, 0)], 0)
    logger.finalize("success")
    assert run.calls <= 1 and not capsys.readouterr().err

    other = DashboardLogger(experiment=(again := Stuck()))
    other.log_media([("picture", 1, 0)], 0)
    other.log_metrics({"train/loss": 0.5}, 1)
    assert "no answer within 0.2 s" in capsys.readouterr().err and again.calls == 1
    for each in (run, again):
        each.released.set()


def test_a_value_that_cannot_be_logged_costs_no_other(capsys: pytest.CaptureFixture) -> None:
    class Picky:
        kept: ClassVar[list] = []

        def log(self, values):
            if "odd" in values:
                raise TypeError("odd")
            self.kept.append(values)

    logger = DashboardLogger(experiment=Picky())
    with pytest.warns(UserWarning, match="a value was not logged: TypeError: odd"):
        logger.log_metrics({"odd": 1.0}, 0)
        logger.log_media([("even", 1.0, 0)], 2)
    assert Picky.kept == [{"even": 1.0, "trainer/global_step": 2}] and not capsys.readouterr().err


SCRIPT = """
import os
import sys
from pathlib import Path
import lightning as L
from callbacks.lineage import Lineage
from callbacks.wandb_media import WandbMedia
from runtime.options import WandbOptions
from runtime.record import RunRecord
from runtime.run_folder import RunFolder
from runtime.wandb_logger import make_wandb_logger
from tests.callbacks.tiny_task import TinyData, TinyTask, trainer

root, mode, epochs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
run = RunFolder(root / "runs", "student", "base", 3)
config = {"model": {"lr": 0.5, "hub_token": "s3cr3t"}}
sweep = os.environ.get("SWEEP")
options = WandbOptions(mode=mode, tags=["tag one"], group="rates" if sweep else None, sweep=sweep)
found = make_wandb_logger(run, options, config, "teacher")
scores = [0.2, 0.9, 0.4]


def service():
    for status in Path("/proc").glob("[0-9]*/status"):
        facts = dict(line.split(":\\t", 1) for line in status.read_text().splitlines() if ":\\t" in line)
        if facts["Name"].startswith("wandb-core") and int(facts["PPid"]) == os.getpid():
            return int(facts["Pid"])


class Stop(L.Callback):
    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == 6 and "STOP" in os.environ:
            os.kill(os.getpid(), int(os.environ["STOP"]))
        if trainer.global_step == 6 and "STOP_SERVICE" in os.environ:
            os.kill(service(), int(os.environ["STOP_SERVICE"]))


trainer(run.path, WandbMedia(), Lineage(run.best), Stop(), logger=[RunRecord(run.path), *found], max_epochs=epochs).fit(
    TinyTask(scores), TinyData(root)
)
print("trained", len(found))
"""


def train(root: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the script without a key, without a terminal and with a closed standard input."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "HOME": str(root), "OMP_NUM_THREADS": "1", **more}
    command = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-c", SCRIPT, str(root), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, cwd=root)


def inspect(path: Path, *words: str) -> str:
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", *words, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.slow
def test_an_offline_run_reads_back_whole(tmp_path: Path) -> None:
    from tests.tiny_kvq import write_clip

    for index in range(6):
        write_clip(tmp_path / f"val/{index:04d}.mp4", f"c{index}", 0, 64, 48, 4)
    done = train(tmp_path, "auto", "3")
    assert done.returncode == 0 and "trained 1" in done.stdout, done.stderr
    run = tmp_path / "runs/student/base-seed3"
    assert f"upload with: wandb sync {run}/wandb/offline-run-*" in done.stdout

    (log,) = run.glob("wandb/offline-run-*/*.wandb")
    summary = json.loads(inspect(log, "--summary"))
    assert summary["state"] == "finished" and summary["name"] == "base-seed3"
    assert summary["run_id"] == json.loads((run / "wandb.json").read_text())["id"]
    assert set(summary["tags"]) == {"tag one", "base"}
    config = summary["config"]
    assert config["model"] == {"lr": 0.5, "hub_token": "(hidden)"} and config["split_hash"] == "0123abcd"
    assert set(config["git"] or {"commit", "dirty"}) == {"commit", "dirty"}
    assert summary["summary"]["val/final_score"] == {"max": pytest.approx(0.9)}

    records = [json.loads(line) for line in inspect(log).splitlines()]
    (start,) = (record["run"] for record in records if record["type"] == "run")
    assert (start["run_group"], start["job_type"]) == ("student", "teacher")
    history = [record["history"]["item"] for record in records if record["type"] == "history"]
    scores = [(row["trainer/global_step"], row["val/final_score"]) for row in history if "val/final_score" in row]
    assert scores == [(3, pytest.approx(0.2)), (7, pytest.approx(0.9)), (11, pytest.approx(0.4))]
    assert "s3cr3t" not in inspect(log)

    media = [row for row in history if any(name.startswith("val/predictions") for name in row)]
    assert [row["trainer/global_step"] for row in media] == [3, 7]
    files = log.parent / "files"
    table = json.loads((files / summary["summary"]["val/predictions"]["path"]).read_text())
    assert table["columns"][0] == "id" and len(table["data"]) == 8
    pictures = [summary["summary"]["val/scatter"]["path"]]
    for name in ("worst", "best"):
        pictures += summary["summary"][f"val/{name}_clips"]["filenames"]
    assert len(pictures) >= 3
    for path in pictures:
        assert (files / path).stat().st_size > 500, path


@pytest.mark.slow
def test_a_resumed_run_keeps_its_id(tmp_path: Path) -> None:
    for epochs in ("1", "2"):
        done = train(tmp_path, "offline", epochs)
        assert done.returncode == 0, done.stderr
    logs = list(tmp_path.glob("runs/student/base-seed3/wandb/offline-run-*/*.wandb"))
    assert len(logs) == 2
    assert len({json.loads(inspect(log, "--summary"))["run_id"] for log in logs}) == 1


@pytest.mark.slow
def test_trials_form_a_group_that_carries_the_sweep_and_keep_their_agents_id(tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text("method: grid\nmetric: {name: x, goal: minimize}\n")
    agent = {"WANDB_SWEEP_ID": "sweep1", "WANDB_RUN_ID": "given7"}
    done = train(tmp_path, "offline", "1", SWEEP=str(tmp_path / "rates.yaml"), **agent)
    assert done.returncode == 0, done.stderr
    (log,) = tmp_path.glob("runs/student/base-seed3/wandb/offline-run-*/*.wandb")
    summary = json.loads(inspect(log, "--summary"))
    assert summary["run_id"] == "given7"
    assert summary["config"]["sweep"] == {"method": "grid", "metric": {"name": "x", "goal": "minimize"}}
    records = [json.loads(line) for line in inspect(log).splitlines()]
    (start,) = (record["run"] for record in records if record["type"] == "run")
    assert start["run_group"] == "rates"


@pytest.mark.slow
def test_a_run_that_sigterm_ends_is_no_success(tmp_path: Path) -> None:
    done = train(tmp_path, "offline", "-1", STOP="15")
    assert "Received SIGTERM" in done.stderr and "trained" not in done.stdout, done.stderr
    (log,) = tmp_path.glob("runs/student/base-seed3/wandb/offline-run-*/*.wandb")
    assert json.loads(inspect(log, "--summary"))["state"] == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("key", ["a" * 40, "malformed"])
def test_a_server_out_of_reach_ends_in_an_offline_run(tmp_path: Path, key: str) -> None:
    done = train(tmp_path, "online", "1", WANDB_API_KEY=key, WANDB_BASE_URL="http://127.0.0.1:9")
    assert done.returncode == 0 and "trained 1" in done.stdout, done.stderr
    assert "W&B: online failed" in done.stderr and "W&B: offline; upload with" in done.stdout
    (log,) = tmp_path.glob("runs/student/base-seed3/wandb/offline-run-*/*.wandb")
    assert json.loads(inspect(log, "--summary"))["state"] == "finished"


def assert_trained_whole(done: subprocess.CompletedProcess[str], run: Path) -> None:
    assert done.returncode == 0 and "trained 1" in done.stdout, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "val/final_score" in row] == [3, 7, 11]


@pytest.mark.prove
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_service_that_dies_or_hangs_in_mid_run_costs_a_line(tmp_path: Path, number: int, proven) -> None:
    done = train(tmp_path, "offline", "3", STOP_SERVICE=str(int(number)))
    run = tmp_path / "runs/student/base-seed3"
    assert_trained_whole(done, run)
    lost = [line for line in done.stderr.splitlines() if "W&B: lost" in line]
    assert len(lost) == 1 and f"upload what it has with: wandb sync {run}/wandb/offline-run-" in lost[0]
    proven(f"W&B service {number.name}", "3 validations of 3 in metrics.jsonl, exit 0")


@pytest.mark.prove
def test_a_server_that_accepts_and_never_answers_ends_in_an_offline_run(tmp_path: Path, proven) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        kept = []

        def swallow():
            with contextlib.suppress(OSError):  # closed at the end
                while True:
                    kept.append(hole.accept())

        threading.Thread(target=swallow, daemon=True).start()
        address = f"http://127.0.0.1:{hole.getsockname()[1]}"
        done = train(tmp_path, "online", "3", WANDB_API_KEY="a" * 40, WANDB_BASE_URL=address)
    run = tmp_path / "runs/student/base-seed3"
    assert kept, "W&B did not even ask"
    assert_trained_whole(done, run)
    assert "W&B: online failed" in done.stderr and f"wandb sync {run}/wandb/offline-run-*" in done.stdout
    proven("W&B black hole", "3 validations of 3 in metrics.jsonl, exit 0")


@pytest.mark.prove
def test_a_full_disk_below_wandb_costs_the_run_nothing(tmp_path: Path, proven) -> None:
    run = tmp_path / "runs/student/base-seed3"
    (run / "wandb").mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(run / "wandb")]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        done = train(tmp_path, "offline", "3")
        assert_trained_whole(done, run)
        assert done.stderr.count("W&B: lost") == 1 and f"wandb sync {run}/wandb/" in done.stderr
    finally:
        subprocess.run(["umount", "-l", str(run / "wandb")], check=True)
    proven("W&B disk full", "3 validations of 3 in metrics.jsonl, exit 0")


def test_a_broken_installation_costs_a_line(folder: RunFolder, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_wandb_logger(folder, WandbOptions(), {}, "student") == []
    assert "W&B: not available" in capsys.readouterr().err
