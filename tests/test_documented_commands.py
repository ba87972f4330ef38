"""Every command printed in README and docs is typed as it stands; the parts beside this file do it side by side."""

import re
import shlex
from collections import Counter

import pytest

from tests.command import ROOT
from tests.documented_commands import FREE, IMAGES, OWN, PARTS, VIDEOS, commands, pages, parts, units


def test_the_pages_print_commands() -> None:
    found = [command for _, command in commands()]
    assert "make demo" in found and "make test" in found
    assert sum(command.startswith("python train.py") for command in found) >= 4


def test_every_fence_with_a_command_is_one_that_is_tested() -> None:
    for page in pages():
        for fence in re.findall(r"^```(\S[^\n]*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert fence in ("sh", "sh gpu", "sh prove", "yaml", "text", "python"), f"{page.name}: fence {fence!r}"


def test_every_command_is_run_in_one_part() -> None:
    run = Counter(command for part in parts().values() for command in part)
    assert set(run) == {command for kind, command in commands() if kind == "sh" and command not in OWN}
    assert set(run.values()) == {1}
    for part in PARTS:
        assert parts()[part] and (ROOT / f"tests/test_documented_commands_{part}.py").is_file()


def test_what_needs_the_small_videos_and_what_needs_the_small_images_stand_apart() -> None:
    for name, unit in units().items():
        needing = [command for command in unit if not FREE.search(command)]
        both = [any(pattern.search(command) for command in needing) for pattern in (IMAGES, VIDEOS)]
        assert not all(both), f"{name} needs both sets, which no part has; print one of them on a page of its own"


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
