"""Whether Python takes this project's packages for this project's: their names are plain words."""

import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from experiments.diagnosis.finding import Finding

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "callbacks", "datamodules", "experiments", "lightning_modules", "losses", "metrics", "models", "records", "runtime",
    "train",
)  # fmt: skip


def shadows(root: Path = ROOT, path: Sequence[str] | None = None) -> Iterator[Finding]:
    """Packages of other projects under the names of ours.

    Args:
        root: The checkout.
        path: Folders that Python searches; null for ``sys.path``.
    """
    found = False
    for name in NAMES:
        for folder in sys.path if path is None else path:
            place = _place(PathFinder.find_spec(name, [folder or str(Path.cwd())]))
            if place is None or place.is_relative_to(root):
                continue
            found = True
            yield from _told(name, place, root)
    if not found:
        yield Finding("ok", "names", "no other project's package bears the name of one of ours")


def _told(name: str, place: Path, root: Path) -> Iterator[Finding]:
    owner = _owner(name, place)
    mend = f"pip uninstall {owner}" if owner else f"make setup, and use {root / '.venv'} alone"
    used = _place(find_spec(name))
    if used is not None and used.is_relative_to(root):
        what = f"there is another package {name}, {place}; from other folders Python takes it for ours"
        yield Finding("warning", "names", what, mend)
    else:
        yield Finding("error", "names", f"Python takes {place} for our package {name}", mend)


def _place(spec: ModuleSpec | None) -> Path | None:
    """File of a module; a folder without __init__.py, which gives way to any whole package, has none."""
    return Path(spec.origin).resolve() if spec is not None and spec.origin else None


def _owner(name: str, place: Path) -> str | None:
    """The distribution that brings a module, by the list of its files."""
    from importlib.metadata import distributions

    folder = place.parents[1] if place.name == "__init__.py" else place.parent
    for each in distributions(path=[str(folder)]):
        if any(line.startswith((f"{name}/", f"{name}.py,")) for line in (each.read_text("RECORD") or "").splitlines()):
            return str(each.metadata["Name"])
    return None
