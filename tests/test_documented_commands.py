"""Every command printed in README and docs is typed as it stands, in a fresh copy of the tracked files."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.command import ROOT, environment, tracked_copy

FENCE = re.compile(r"^```(sh(?: gpu| prove)?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# `.ci/run` itself types these; a test that did would run itself.
OWN = {"make test", "make slow", "make lint", "make prove", "make lint test slow"}


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[tuple[str, str]]:
    """Kind of fence and command, in the order of reading, each once."""
    found = []
    for page in pages():
        for kind, block in FENCE.findall(page.read_text(encoding="utf-8")):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(kind, " ".join(line.split())) for line in lines if line.strip() and not line.startswith("#")]
    return list(dict.fromkeys(found))


def test_the_pages_print_commands() -> None:
    found = [command for _, command in commands()]
    assert "make demo" in found and "make test" in found
    assert sum(command.startswith("python train.py") for command in found) >= 4


def test_every_fence_with_a_command_is_one_that_is_tested() -> None:
    for page in pages():
        for fence in re.findall(r"^```(\S[^\n]*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert fence in ("sh", "sh gpu", "sh prove", "yaml", "text", "python"), f"{page.name}: fence {fence!r}"


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for kind, command in commands() if kind == "sh gpu"])
def test_commands_that_need_a_gpu_are_read_to_their_last_key(
    command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from runtime.cli import run

    monkeypatch.chdir(ROOT)
    program, script, *words = shlex.split(command)
    assert (program, script) == ("python", "train.py"), command
    with pytest.raises(SystemExit) as ended:
        run([*words, "--print_config"])
    assert ended.value.code == 0, capfd.readouterr().err


@pytest.mark.slow
def test_commands_run_as_printed(tmp_path: Path) -> None:
    copy = tracked_copy(tmp_path / "clone")
    path = f"{copy / '.venv/bin'}:{os.environ['PATH']}"
    env = {key: value for key, value in environment(PATH=path).items() if key not in ("PYTHONPATH", "OMP_NUM_THREADS")}
    for kind, command in commands():
        if command in OWN or kind != "sh":
            continue
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=copy,
            env=env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=1200,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
