"""When a command starts anew, goes on, refuses, or has nothing to do."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from records.errors import UserError
from runtime.resume import changed_keys, decide, flatten
from runtime.run_folder import RunFolder

CONFIG: dict[str, Any] = {
    "trainer": {"max_epochs": 3, "precision": None, "log_every_n_steps": 10},
    "model": {"init_args": {"lr": 0.1, "branches": {"frames": {"size": 64}}}},
    "wandb": {"mode": "auto", "tags": []},
}


def altered(key: str, value: Any) -> dict[str, Any]:
    config = json.loads(json.dumps(CONFIG))
    node = config
    *path, last = key.split(".")
    for part in path:
        node = node[part]
    node[last] = value
    return config


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, "student", "base", 0)


def write(run: RunFolder, state: str, epoch: int, checkpoint: bool = True) -> None:
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    run.config.write_text(yaml.safe_dump(CONFIG))
    run.status.write_text(json.dumps({"state": state, "epoch": epoch, "max_epochs": 3}))
    if checkpoint:
        zipfile.ZipFile(run.last, "w").close()


def test_an_empty_folder_starts_anew(run: RunFolder) -> None:
    start = decide(run, CONFIG)
    assert start.checkpoint is None and not start.finished


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_an_unfinished_run_goes_on(run: RunFolder, state: str) -> None:
    write(run, state, 1)
    start = decide(run, CONFIG)
    assert start.checkpoint == run.last and not start.finished


def test_a_run_killed_before_its_first_checkpoint_starts_anew(run: RunFolder) -> None:
    write(run, "failed", 0, checkpoint=False)
    assert decide(run, CONFIG).checkpoint is None
    # A mended key is no change of anything that was trained.
    assert decide(run, altered("model.init_args.lr", 7)).checkpoint is None


def test_a_finished_run_is_left_alone_until_more_epochs_are_asked_for(run: RunFolder) -> None:
    write(run, "finished", 3)
    assert decide(run, CONFIG).finished
    longer = decide(run, altered("trainer.max_epochs", 5))
    assert longer.checkpoint == run.last and not longer.finished
    assert decide(run, altered("trainer.max_epochs", 2)).finished


@pytest.mark.parametrize("key", ["trainer.log_every_n_steps", "wandb.mode", "trainer.max_epochs"])
def test_length_and_logging_may_change(run: RunFolder, key: str) -> None:
    write(run, "interrupted", 1)
    decide(run, altered(key, 7))


@pytest.mark.parametrize("key", ["model.init_args.lr", "trainer.precision", "model.init_args.branches.frames.size"])
def test_any_other_change_is_refused_by_name(run: RunFolder, key: str) -> None:
    write(run, "interrupted", 1)
    with pytest.raises(UserError, match=key.replace(".", r"\.")) as told:
        decide(run, altered(key, 7))
    assert "--restart" in str(told.value)


def test_flatten_keeps_empty_containers() -> None:
    assert flatten({"a": {}, "b": [1, {"c": []}]}) == {"a": {}, "b.0": 1, "b.1.c": []}
    assert changed_keys({"a": {}}, {"a": {"b": 1}}) == {"a": ({}, None), "a.b": (None, 1)}


def test_an_old_run_is_moved_aside_never_over_another(run: RunFolder) -> None:
    assert run.set_aside() is None
    found = set()
    for text in ("first", "second"):
        run.path.mkdir(parents=True)
        (run.path / "what").write_text(text)
        found.add(run.set_aside())
    assert len(found) == 2
    assert {(path / "what").read_text() for path in found if path} == {"first", "second"}
