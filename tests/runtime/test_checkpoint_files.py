"""A checkpoint is whole or refused, the one before is kept, and no disk is filled."""

import os
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from records.checkpoints import read_checkpoint, write_checkpoint
from records.errors import UserError
from records.seal import is_unbroken
from runtime import checkpoint_io
from runtime.checkpoint_io import SafeCheckpointIO, newest, set_damaged_aside
from runtime.options import CheckpointOptions
from runtime.saved_epochs import savers
from tests.callbacks.tiny_task import TinyData, TinyTask, trainer

torch.set_num_threads(1)


def save(folder: Path, step: int, name: str = "last.ckpt") -> None:
    checkpoint = {"state_dict": {"w": torch.full((500,), float(step))}, "step": step}
    SafeCheckpointIO().save_checkpoint(checkpoint, folder / name)


def step(path: Path) -> int:
    return read_checkpoint(path, "checkpoint")["step"]


def damage(path: Path, place: int = -2000) -> None:
    """Turn one bit; by default of a weight."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.unlink()  # another name of the same file keeps its bytes
    path.write_bytes(data)


def test_a_checkpoint_is_a_plain_zip_that_torch_reads(tmp_path: Path) -> None:
    save(tmp_path, 3)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["step"] == 3
    with zipfile.ZipFile(tmp_path / "last.ckpt") as archive:
        assert archive.comment.startswith(b"sha256:") and archive.testzip() is None
    assert is_unbroken(tmp_path / "last.ckpt") is True
    assert {path.name for path in tmp_path.iterdir()} == {"last.ckpt"}


def test_no_turned_bit_passes(tmp_path: Path) -> None:
    save(tmp_path, 3)
    whole, path = (tmp_path / "last.ckpt").read_bytes(), tmp_path / "last.ckpt"
    seal = len(whole) - 71
    weight = whole.index(torch.full((4,), 3.0).numpy().tobytes())
    draws = random.Random(0).sample(range(seal - 2), 60)
    silent = 0
    for place in (*draws, weight, seal - 3, seal + 10, len(whole) - 1):
        path.write_bytes(whole)
        damage(path, place)
        try:
            torch.load(path, weights_only=True)
            silent += 1
        except Exception:
            pass
        with pytest.raises(UserError, match="damaged") as told:
            read_checkpoint(path, "checkpoint")
        assert "\n" not in str(told.value)
    # What torch itself would have taken.
    assert silent > 10


def test_what_is_no_whole_checkpoint_is_told_in_one_sentence(tmp_path: Path) -> None:
    save(tmp_path, 3)
    whole, path = (tmp_path / "last.ckpt").read_bytes(), tmp_path / "best.ckpt"
    torch.save({"state_dict": {}, "where": Path("x")}, tmp_path / "code.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    cases = {
        b"": "it is empty",
        b"some text that is no checkpoint": "it is a file of another kind",
        whole[: len(whole) // 2]: "it is cut short or damaged",
        whole[: len(whole) - 100]: "it is cut short or damaged",
        (tmp_path / "code.ckpt").read_bytes(): r"it holds a pathlib\S+, and only tensors and plain values are read",
        (tmp_path / "list.ckpt").read_bytes(): "it holds no state_dict",
    }
    for data, reason in cases.items():
        path.write_bytes(data)
        with pytest.raises(UserError, match=reason) as told:
            read_checkpoint(path, "--checkpoint")
        assert "\n" not in str(told.value) and str(told.value).startswith(f"--checkpoint {path}: ")
        assert len(str(told.value)) < 400
    damage(tmp_path / "last.ckpt")
    path.write_bytes(whole)
    with pytest.raises(UserError, match=r"use best\.ckpt beside it"):
        read_checkpoint(tmp_path / "last.ckpt", "checkpoint")
    with pytest.raises(UserError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "none.ckpt", "checkpoint")


def test_a_checkpoint_of_a_time_before_seals_loads_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": {}, "step": 1}, tmp_path / "last.ckpt")
    assert is_unbroken(tmp_path / "last.ckpt") is None
    assert step(tmp_path / "last.ckpt") == 1
    assert "carries no hash" in capsys.readouterr().err
    assert newest(tmp_path) == tmp_path / "last.ckpt"
    save(tmp_path, 2)
    assert step(tmp_path / "last.ckpt") == 2 and not capsys.readouterr().err


@pytest.mark.parametrize("links", [True, False])
def test_the_last_and_the_one_before_are_kept_and_no_more(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: Any) -> None:
        raise OSError("no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    for number in range(5):
        save(tmp_path, number)
        save(tmp_path, 10 * number, "best.ckpt")
    assert {path.name: step(path) for path in tmp_path.iterdir()} == {"last.ckpt": 4, "older.ckpt": 3, "best.ckpt": 40}


def test_a_save_that_fails_leaves_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)

    def half(checkpoint: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(checkpoint_io, "write_checkpoint", half)
    with pytest.raises(OSError, match="Input"):
        save(tmp_path, 3)
    assert {path.name: step(path) for path in tmp_path.iterdir()} == {"last.ckpt": 2, "older.ckpt": 1}


def test_a_damaged_last_gives_way_to_the_older_and_never_replaces_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert newest(tmp_path) is None
    save(tmp_path, 1)
    save(tmp_path, 2)
    assert newest(tmp_path) == tmp_path / "last.ckpt"
    damage(tmp_path / "last.ckpt")
    chosen = newest(tmp_path)
    assert chosen == tmp_path / "older.ckpt" and step(chosen) == 1
    set_damaged_aside(chosen)
    assert "last.ckpt is damaged and is now called damaged.ckpt" in capsys.readouterr().out
    # Killed here: there is no last.ckpt, and the older one still counts.
    assert newest(tmp_path) == tmp_path / "older.ckpt"
    save(tmp_path, 5)
    assert step(tmp_path / "last.ckpt") == 5 and step(tmp_path / "older.ckpt") == 1
    for name in ("last.ckpt", "older.ckpt"):
        damage(tmp_path / name)
    with pytest.raises(UserError, match=r"last\.ckpt and older\.ckpt damaged.*--restart"):
        newest(tmp_path)


def fit(folder: Path, scores: list[float], epochs: int, options: CheckpointOptions, **more: Any) -> L.Trainer:
    task = TinyTask(scores)
    task.mode = "max"
    callbacks = savers(folder, options, task)
    found = trainer(folder, *callbacks, enable_checkpointing=True, plugins=[SafeCheckpointIO()], max_epochs=epochs)
    found.fit(task, TinyData(), **more)
    return found


SCORES = [0.1, 0.5, 0.3, 0.9, 0.2, 0.8, 0.7, 0.4, 0.95, 0.6]


def test_a_long_run_keeps_the_best_epochs_and_a_bounded_number_of_files(tmp_path: Path) -> None:
    fit(tmp_path, SCORES, 6, CheckpointOptions(top=2))
    kept = {"best.ckpt", "last.ckpt", "older.ckpt"}
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "epoch-003.ckpt", "epoch-005.ckpt"}
    # A run that goes on knows what it kept.
    fit(tmp_path, SCORES, 10, CheckpointOptions(top=2), ckpt_path=tmp_path / "last.ckpt")
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "epoch-003.ckpt", "epoch-008.ckpt"}
    epochs = {name: read_checkpoint(tmp_path / name, "checkpoint")["epoch"] for name in kept}
    assert epochs == {"best.ckpt": 8, "last.ckpt": 9, "older.ckpt": 8}


def test_only_the_best_is_kept_unless_more_are_asked_for(tmp_path: Path) -> None:
    fit(tmp_path, SCORES, 3, CheckpointOptions())
    assert {path.name for path in tmp_path.iterdir()} == {"best.ckpt", "last.ckpt", "older.ckpt"}
    with pytest.raises(UserError, match=r"checkpoint\.top"):
        savers(tmp_path, CheckpointOptions(top=-1), TinyTask())


def test_a_checkpoint_that_cannot_be_taken_up_does_not_replace_the_last(tmp_path: Path) -> None:
    fit(tmp_path, SCORES, 2, CheckpointOptions())
    held = read_checkpoint(tmp_path / "last.ckpt", "checkpoint")
    held["optimizer_states"][0]["param_groups"] = []
    write_checkpoint(held, tmp_path / "other.ckpt")
    before = (tmp_path / "last.ckpt").read_bytes()
    with pytest.raises(ValueError, match="different number of parameter groups"):
        fit(tmp_path, SCORES, 4, CheckpointOptions(), ckpt_path=tmp_path / "other.ckpt")
    assert (tmp_path / "last.ckpt").read_bytes() == before


@pytest.mark.prove
def test_what_the_hash_costs(tmp_path: Path, proven: Callable[[str, str], None]) -> None:
    held = {"state_dict": {f"w{number}": torch.randn(250_000) for number in range(100)}}
    path = tmp_path / "a.ckpt"

    def seconds(work: Callable[[], Any]) -> float:
        taken = []
        for _ in range(7):
            began = time.process_time()
            work()
            taken.append(time.process_time() - began)
        return min(taken)

    plain = seconds(lambda: torch.save(held, path))
    sealed = seconds(lambda: write_checkpoint(held, path))
    checked = seconds(lambda: is_unbroken(path))
    loaded = seconds(lambda: torch.load(path, map_location="cpu", weights_only=True))
    assert is_unbroken(path)
    size = f"{path.stat().st_size / 1e6:.0f} MB"
    told = f"{size}: saving {sealed:.2f} CPU s, {plain:.2f} without; loading {loaded:.2f} s, and {checked:.2f} s for it"
    proven("cost of a checkpoint's hash", told)


@pytest.mark.parametrize("version", [None, 3, "x", "2.6.6"])
def test_a_checkpoint_of_another_program_is_told_in_a_sentence(tmp_path: Path, version: object) -> None:
    foreign = {"state_dict": {}, **({} if version is None else {"pytorch-lightning_version": version})}
    write_checkpoint(foreign, tmp_path / "x.ckpt")
    if version == "2.6.6":
        assert SafeCheckpointIO().load_checkpoint(tmp_path / "x.ckpt") == foreign
        return
    with pytest.raises(UserError, match="no checkpoint of a fit"):
        SafeCheckpointIO().load_checkpoint(tmp_path / "x.ckpt")
