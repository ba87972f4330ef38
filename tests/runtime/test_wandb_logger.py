import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

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


def test_a_dashboard_that_fails_costs_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    class Burnt:
        def __getattr__(self, name):
            raise ConnectionError("service died")

    logger = DashboardLogger(experiment=Burnt())
    with pytest.warns(UserWarning, match="the run goes on: ConnectionError: service died") as told:
        for step in range(3):
            logger.log_metrics({"val/final_score": 0.5}, step)
        logger.log_hyperparams({"gmacs": 1.0})
        logger.finalize("success")
    assert len(told) == 1


SCRIPT = """
import os
import sys
from pathlib import Path
import lightning as L
from callbacks.wandb_media import WandbMedia
from runtime.options import WandbOptions
from runtime.record import RunRecord
from runtime.run_folder import RunFolder
from runtime.wandb_logger import make_wandb_logger
from tests.callbacks.tiny_task import TinyData, TinyTask, trainer

root, mode, epochs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
run = RunFolder(root / "runs", "student", "base", 3)
config = {"model": {"lr": 0.5, "hub_token": "s3cr3t"}}
found = make_wandb_logger(run, WandbOptions(mode=mode, tags=["tag one"]), config, "teacher")
scores = [0.2, 0.9, 0.4]


class Stop(L.Callback):
    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == 6 and "STOP" in os.environ:
            os.kill(os.getpid(), int(os.environ["STOP"]))


trainer(run.path, WandbMedia(), Stop(), logger=[RunRecord(run.path), *found], max_epochs=epochs).fit(
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


def test_a_broken_installation_costs_a_line(folder: RunFolder, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_wandb_logger(folder, WandbOptions(), {}, "student") == []
    assert "W&B: not available" in capsys.readouterr().err
