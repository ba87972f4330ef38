"""What a user types and what he reads, in one process."""

import importlib
import logging
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest

from records.images import write_image
from tests.tiny_kvq import make_tiny_kvq
from tests.tiny_kwaisr import write_tiny_kwaisr


@pytest.fixture
def refused(capfd, monkeypatch, tmp_path):
    """Type a command that is refused; the one line that tells why, without ``error: ``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    levels = {name: logging.getLogger(name).level for name in ("lightning.pytorch", "lightning.fabric")}

    def type_in(*words: object, code: int = 2) -> str:
        typed = [str(word) for word in words]
        module = "runtime.entry" if typed[0] == "train.py" else "experiments.__main__"
        typed = typed[1:] if typed[0] == "train.py" else typed
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert importlib.import_module(module).main(typed) == code
        told = capfd.readouterr().err
        lines = [line for line in told.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and "Traceback" not in told, told
        assert len(lines[0]) < 1200
        return lines[0].removeprefix("error: ")

    yield type_in
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


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
