"""What a killed writer left is deleted, and nothing else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from records.files import atomic_path
from records.leftovers import sweep


@pytest.fixture
def gone() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def write(path: Path, seconds: float = 3600) -> Path:
    """A file that was last written to so long ago."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    return old(path, seconds)


def old(path: Path, seconds: float = 3600) -> Path:
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_files_of_dead_writers_go_and_all_others_stay(tmp_path: Path, gone: int) -> None:
    left = [tmp_path / f".a.json.{gone}.tmp", tmp_path / f"b/.c.png.{gone}.tmp", tmp_path / ".pixel.tmp"]
    kept = [tmp_path / ".hidden", tmp_path / "d.tmp", tmp_path / f".a.json.{os.getpid()}.tmp", tmp_path / "b/x.png"]
    for path in (*left, *kept):
        write(path)
    # A writer on another machine may be at work.
    kept.append(write(tmp_path / f".new.{gone}.tmp", 5))
    folder = tmp_path / f".vae.{gone}.tmp"
    folder.mkdir()
    write(folder / "config.json")
    old(folder)
    assert sorted(sweep(tmp_path)) == sorted([*left, folder])
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def test_a_number_that_went_to_a_later_process_keeps_no_file(tmp_path: Path) -> None:
    later = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        left, kept = write(tmp_path / f".a.json.{later.pid}.tmp"), write(tmp_path / f".b.json.{later.pid}.tmp", 0)
        assert sweep(tmp_path) == [left] and kept.exists()
    finally:
        later.communicate(b"\n")


def test_only_the_folder_itself_where_others_lie_below(tmp_path: Path, gone: int) -> None:
    below = write(tmp_path / f"data/.a.json.{gone}.tmp")
    assert sweep(tmp_path, below=False) == [] and below.exists()
    assert sweep(tmp_path / "absent") == []


def test_what_atomic_path_leaves_is_known_by_its_name(tmp_path: Path) -> None:
    code = f"""
import os
from records.files import atomic_path
with atomic_path({str(tmp_path / "table.csv")!r}) as temporary:
    temporary.write_text("half of it")
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])
    (left,) = tmp_path.iterdir()
    assert sweep(tmp_path) == []
    old(left)
    assert sweep(tmp_path) == [left]
    with atomic_path(tmp_path / "table.csv") as temporary:
        temporary.write_text("all of it")
        old(temporary)
        assert sweep(tmp_path) == []
