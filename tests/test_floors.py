"""Imports point down: the floors of the layout hold."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "records": set(),
    "losses": set(),
    "metrics": set(),
    "models": set(),
    "datamodules": {"records"},
    "callbacks": {"metrics", "records", "models"},
    "lightning_modules": {"models", "losses", "metrics", "records"},
    "runtime": {"callbacks", "lightning_modules", "datamodules", "models", "losses", "metrics", "records"},
    "experiments": {"runtime", "callbacks", "lightning_modules", "datamodules"}
    | {"models", "losses", "metrics", "records"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import; name the package"
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_down(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    allowed = PACKAGES[package] | {package}
    for path in files:
        wrong = imports(path) & set(PACKAGES) - allowed
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}, which stand above or beside it"


@pytest.mark.parametrize("package", ["models", "losses", "metrics"])
def test_networks_losses_and_metrics_know_no_lightning(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        assert not imports(path) & {"lightning", "pytorch_lightning"}, path


def test_vague_file_names_are_refused() -> None:
    names = {path.name for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert not names & {"utils.py", "helpers.py", "common.py", "misc.py"}


def test_train_is_the_command_line_and_nothing_else() -> None:
    text = (ROOT / "train.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert imports(ROOT / "train.py") == {"sys", "runtime"}
