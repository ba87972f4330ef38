"""What a user types and what he reads, in one process."""

import errno
import importlib
import logging
import os
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from records.images import write_image
from tests.tiny_kvq import make_tiny_kvq
from tests.tiny_kwaisr import write_tiny_kwaisr


@pytest.fixture
def typed(capfd, monkeypatch, tmp_path):
    """Type a command; its exit code and what it prints on each of the two streams."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    levels = {name: logging.getLogger(name).level for name in ("lightning.pytorch", "lightning.fabric")}

    def type_in(*words: object) -> tuple[int, str, str]:
        typed = [str(word) for word in words]
        module = "runtime.entry" if typed[0] == "train.py" else "experiments.__main__"
        typed = typed[1:] if typed[0] == "train.py" else typed
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = importlib.import_module(module).main(typed)
        out, told = capfd.readouterr()
        assert "Traceback" not in told, told
        return code, out, told

    yield type_in
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def refused(typed):
    """Type a command that is refused; the one line that tells why, without ``error: ``."""

    def type_in(*words: object, code: int = 2) -> str:
        ended, _, told = typed(*words)
        lines = [line for line in told.splitlines() if line.startswith("error: ")]
        assert ended == code and len(lines) == 1, (ended, told)
        assert len(lines[0]) < 1200
        return lines[0].removeprefix("error: ")

    return type_in


@pytest.fixture
def torn(monkeypatch):
    """Let files be there that cannot be read, as on a disk that fails; root may read all others."""

    def tear(name: str) -> None:
        plain = Path.open

        def opened(self: Path, *words: Any, **more: Any) -> Any:
            if self.name == name:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))
            return plain(self, *words, **more)

        monkeypatch.setattr(Path, "open", opened)

    return tear


@pytest.fixture
def inline(monkeypatch):
    """Let commands work on files in this process, where tests can put faults in their way."""

    def each(function: Any, tasks: Any, jobs: int, died: Any) -> Any:
        return (function(*task) for task in tasks)

    for module in ("data_report.processes", "data_report.images", "ladder.build", "mini_kwaisr.build"):
        monkeypatch.setattr(importlib.import_module(f"experiments.{module}"), "each", each)


@pytest.fixture(scope="session")
def says():
    """Hold a line to the words that it must say; `` ... `` stands for what may be between them."""

    def check(line: str, told: str) -> None:
        place = 0
        for words in told.split(" ... "):
            found = line.find(words, place)
            assert found >= 0, f"{words!r} is not said in: {line}"
            place = found + len(words)

    return check


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """Data of both tracks that is right, to be read and never changed."""
    root = tmp_path_factory.mktemp("world")
    make_tiny_kvq(root / "kvq", contents=2, val=1, test=1, frames=4)
    write_tiny_kwaisr(root / "kwaisr")
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    for name in ("a", "b"):
        for place in range(2):
            write_image(root / name / f"synthetic/{place}.png", noise // (place + 1))
    (root / "empty").mkdir()
    return root
