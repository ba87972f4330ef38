"""What a result was made with."""

import json
import socket
import subprocess
import sys
from pathlib import Path

from records import provenance

ROOT = Path(__file__).resolve().parents[2]


def git(folder, *words):
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *words], capture_output=True, text=True, check=True
    ).stdout


def test_versions_are_plain_and_name_no_machine():
    environment = provenance.environment()
    assert environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert environment["packages"]["numpy"]
    assert socket.gethostname() not in json.dumps(environment)


def test_no_heavy_package_is_loaded():
    code = "import sys; from records.provenance import environment; environment(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_commit_and_dirty_flag(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "_ROOT", tmp_path.resolve())
    assert provenance.environment()["git"] is None
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("1")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-qm", "a")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    assert provenance.environment()["git"] == {"commit": commit, "dirty": False}
    (tmp_path / "a.py").write_text("2")
    assert provenance.environment()["git"] == {"commit": commit, "dirty": True}


def test_the_commit_of_a_surrounding_checkout_is_not_ours(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    (tmp_path / "inside").mkdir()
    monkeypatch.setattr(provenance, "_ROOT", (tmp_path / "inside").resolve())
    assert provenance.environment()["git"] is None


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.environment()["git"] is None
