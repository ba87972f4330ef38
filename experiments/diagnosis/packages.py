"""Interpreter and installed packages against what pyproject.toml asks for; nothing is imported."""

import importlib.metadata
import platform
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.diagnosis.finding import Finding

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
# Releases into which strangers had put code that steals keys and tokens.
MALICIOUS = {"lightning": {"2.6.2", "2.6.3"}}


def packages(pyproject: Path = PYPROJECT) -> Iterator[Finding]:
    """Python, every declared dependency, malicious releases, and that torch and torchvision belong together.

    Args:
        pyproject: File that declares them.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    yield from _python(project["requires-python"])
    wrong = [finding for text in project["dependencies"] for finding in _dependency(text)]
    yield from wrong
    if not wrong:
        yield Finding("ok", "dependencies", f"all {len(project['dependencies'])} are installed and in range")
    yield from _pair()
    for extra, texts in project["optional-dependencies"].items():
        if extra != "dev":  # of no use but to who changes the code
            yield from _extra(extra, texts)


def _python(wanted: str) -> Iterator[Finding]:
    from packaging.specifiers import SpecifierSet

    version = platform.python_version()
    if SpecifierSet(wanted).contains(version, prereleases=True):
        yield Finding("ok", "python", version)
    else:
        mend = "make clean && make setup PYTHON=python3.12"
        yield Finding("error", "python", f"{version} is not {wanted}", mend)


def _dependency(text: str) -> Iterator[Finding]:
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return
    name, version = requirement.name, installed(requirement.name)
    mend = f"pip install '{name}{requirement.specifier}'"
    if version is None:
        yield Finding("error", name, "is not installed", mend)
    elif version in MALICIOUS.get(name, ()):
        yield Finding(
            "error",
            name,
            f"{version} is a malicious release that steals keys and tokens; remove it, then change every key and token "
            "that this machine and user hold",
            f"pip uninstall -y {name} && {mend}",
        )
    elif not requirement.specifier.contains(version, prereleases=True):
        yield Finding("error", name, f"{version} is not in the range {requirement.specifier}", mend)


def _pair() -> Iterator[Finding]:
    """Each torchvision is built against one torch, and names it among its own requirements."""
    from packaging.requirements import Requirement
    from packaging.version import Version

    torch, vision = installed("torch"), installed("torchvision")
    if torch is None or vision is None:
        return
    mend = "pip install --force-reinstall torch torchvision"
    for text in importlib.metadata.requires("torchvision") or []:
        wanted = Requirement(text)
        if wanted.name == "torch" and not wanted.specifier.contains(torch, prereleases=True):
            what = f"torchvision {vision} is built for torch {wanted.specifier}, not for {torch}"
            yield Finding("error", "torch", what, mend)
            return
    one, two = Version(torch), Version(vision)
    if one.major == 2 and two.major == 0 and two.minor != one.minor + 15:
        what = f"torch {torch} belongs to torchvision 0.{one.minor + 15}, not to {vision}"
        yield Finding("error", "torch", what, mend)
    elif one.local and two.local and one.local != two.local:
        what = f"torch {torch} and torchvision {vision} are of different builds"
        yield Finding("error", "torch", what, mend)
    else:
        yield Finding("ok", "torch", f"torch {torch} and torchvision {vision} belong together")


def _extra(extra: str, texts: list[str]) -> Iterator[Finding]:
    from packaging.requirements import Requirement

    wanted = [each for each in map(Requirement, texts) if each.name != "sugc-lab"]  # other extras
    here = [each for each in wanted if each.marker is None or each.marker.evaluate()]
    if not here:
        yield Finding("note", extra, f"{', '.join(each.name for each in wanted)}: nothing for this platform")
        return
    mend = f"pip install -e '.[{extra}]'"
    versions: dict[str, Any] = {each.name: installed(each.name) for each in here}
    off = [each for each in here if versions[each.name] and not each.specifier.contains(versions[each.name], True)]
    absent = [name for name, version in versions.items() if version is None]
    if off:
        what = ", ".join(f"{each.name} {versions[each.name]} is not {each.specifier}" for each in off)
        yield Finding("warning", extra, what, mend)
    if absent:
        yield Finding("note", extra, f"optional: {', '.join(absent)} not installed", mend)
    if not off and not absent:
        yield Finding("ok", extra, ", ".join(f"{name} {version}" for name, version in versions.items()))


def installed(name: str) -> str | None:
    """Version of an installed distribution, None without one."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
