"""The commands that README and docs print, and the parts that they are run in, each in a copy of its own."""

import os
import re
import resource
import subprocess
import time
from pathlib import Path

from tests.command import ROOT, environment, tracked_copy

FENCE = re.compile(r"^```(sh(?: gpu| prove)?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# `.ci/run` itself types these; a test that did would run itself.
OWN = {"make test", "make slow", "make lint", "make prove", "make lint test slow"}
# What names the small set of images, or of videos and what is trained on it.
IMAGES, VIDEOS = re.compile("kwaisr"), re.compile("make demo|mini-kvq|runs/mini_student")
# What needs nothing that another command made.
FREE = re.compile("experiments (doctor|budget)|^python benchmarks/|--dry-run")
PARTS = ("videos", "images", "rest")
SLOWEST = 15


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def printed(text: str) -> list[tuple[str, str]]:
    """Kind of fence and command of all that a text prints, in order."""
    found = []
    for kind, block in FENCE.findall(text):
        lines = block.replace("\\\n", " ").splitlines()
        found += [(kind, " ".join(line.split())) for line in lines if line.strip() and not line.startswith("#")]
    return found


def commands() -> list[tuple[str, str]]:
    """Kind of fence and command, in the order of reading, each once."""
    return list(dict.fromkeys(each for page in pages() for each in printed(page.read_text(encoding="utf-8"))))


def units() -> dict[str, list[str]]:
    """Commands to be run that stand together: those of a page, and of README those of a section."""
    found = {}
    for page in pages():
        text = page.read_text(encoding="utf-8")
        texts = re.split(r"^(?=## )", text, flags=re.MULTILINE) if page.name == "README.md" else [text]
        for text in texts:
            title = text.partition("\n")[0].strip("# ")
            found[f"{page.name}: {title}"] = [
                command for kind, command in printed(text) if kind == "sh" and command not in OWN
            ]
    return found


def part_of(unit: list[str]) -> str:
    """The part that a unit's commands are run in; what names no set and needs one is of videos, as most are."""
    if any(IMAGES.search(command) and not FREE.search(command) for command in unit):
        return "images"
    return "rest" if all(FREE.search(command) for command in unit) else "videos"


def parts() -> dict[str, list[str]]:
    """Commands of every part in the order of reading; one that is printed twice belongs to where it stands first."""
    found: dict[str, list[str]] = {part: [] for part in PARTS}
    known: set[str] = set()
    for unit in units().values():
        new = [command for command in dict.fromkeys(unit) if command not in known]
        found[part_of(unit)] += new
        known.update(new)
    return found


def run_part(part: str, folder: Path) -> None:
    """Type the commands of a part in a fresh copy of the tracked files; print those that took longest."""
    copy = tracked_copy(folder / "clone")
    path = f"{copy / '.venv/bin'}:{os.environ['PATH']}"
    # One thread each, since the parts run side by side.
    env = {key: value for key, value in environment(PATH=path).items() if key != "PYTHONPATH"}
    took: list[tuple[float, float, str]] = []
    try:
        for command in parts()[part]:
            took.append((*_typed(command, copy, env), command))
    finally:
        for wall, work, command in sorted(took, reverse=True)[:SLOWEST]:
            print(f"{wall:7.1f} s, {work:7.1f} s of CPU  {command}")


def _typed(command: str, copy: Path, env: dict[str, str]) -> tuple[float, float]:
    """Seconds by the clock and of CPU that a command took."""
    began, before = time.monotonic(), _spent()
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=copy,
        env=env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=2400,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return time.monotonic() - began, _spent() - before


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
