"""One study in a real PostgreSQL, shared by two machines of which one is killed."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT, environment
from tests.experiments.search.test_sweep import RATE, starts, sweep_file

psycopg = pytest.importorskip("psycopg", reason="no driver here: pip install 'psycopg[binary]'")
pytestmark = pytest.mark.slow
# A machine of another name, as far as the sweep can tell.
NAMED = """
import socket, sys
name = sys.argv.pop(1)
socket.gethostname = lambda: name
from experiments.__main__ import main
sys.exit(main())
"""
TRIALS = 6
# A trial that begins when it is let.
HELD = """
import pathlib, runpy, time
while not pathlib.Path("go").exists():
    time.sleep(0.05)
runpy.run_path("toy.py", run_name="__main__")
"""


def programs() -> Path:
    """Folder of the server's programs; Debian keeps them off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    pytest.skip("no PostgreSQL here: apt-get install postgresql")


@pytest.fixture
def database() -> Iterator[str]:
    """Address of an empty database on a socket in a folder of its own."""
    bin = programs()
    # The server refuses to be root's, and a path to a socket must be short.
    user = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root cannot start PostgreSQL without setpriv")
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if user:
            os.chown(folder, 65534, 65534)

        def call(program: str, *words: str) -> None:
            with (folder / "log").open("ab") as log:
                subprocess.run([*user, str(bin / program), *words], check=True, cwd=folder, stdout=log, stderr=log)

        data = ["-D", str(folder / "data")]
        call("initdb", *data, "-U", "postgres", "-A", "trust", "--no-sync")
        served = f"-k {folder} -c listen_addresses='' -F"
        call("pg_ctl", *data, "-w", "-o", served, "-l", str(folder / "served"), "start")
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            call("pg_ctl", *data, "-m", "immediate", "stop")


@pytest.fixture
def engines() -> Iterator[list[subprocess.Popen[str]]]:
    """Engines that were started; none outlives the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for each in started:
        each.kill()


def engine(folder: Path, machine: str, *words: str) -> subprocess.Popen[str]:
    """`python -m experiments sweep s.yaml WORDS` as on a machine of that name."""
    driver = str(Path(psycopg.__file__).parents[1])
    command = [sys.executable, "-c", NAMED, machine, "sweep", "s.yaml", "--out", f"sweeps/{machine}", *words]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment(PYTHONPATH=os.pathsep.join([str(ROOT), driver])),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_machines_share_a_study_and_one_takes_over_what_the_other_left(
    database: str, engines: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    import optuna

    sweep_file(tmp_path, parameters={"rate": RATE})
    (tmp_path / "program.py").rename(tmp_path / "toy.py")
    (tmp_path / "program.py").write_text(HELD)
    words = ["--storage", database, "--trials", str(TRIALS)]
    # At one moment, on a database without tables.
    engines += [engine(tmp_path, name, *words) for name in ("first", "second")]
    first, second = engines
    until = time.monotonic() + 300
    while time.monotonic() < until and len(list(tmp_path.glob("sweeps/*/logs/*.log"))) < 2:
        for each in (first, second):
            assert each.poll() is None, each.communicate()[0]
        time.sleep(0.1)
    study = optuna.load_study(study_name="s", storage=database)
    while time.monotonic() < until and len(under_way(study)) < 2:
        time.sleep(0.1)
    assert set(under_way(study)) == {"first", "second"}
    first.kill()
    first.communicate(timeout=60)
    (tmp_path / "go").touch()
    told, _ = second.communicate(timeout=300)
    assert second.returncode == 0, told
    left = under_way(study)["first"]
    done = complete(study)
    assert len(done) == TRIALS - 1 and list(under_way(study)) == ["first"]

    told, _ = engine(tmp_path, "second", *words).communicate(timeout=300)
    assert f"trial {left.number} runs on first; if it does not, add --take-over" in told
    again = engine(tmp_path, "second", *words, "--take-over")
    told, _ = again.communicate(timeout=300)
    assert again.returncode == 0, told
    found = complete(study)
    assert len(found) == TRIALS and not under_way(study)
    assert {name: found[name].values for name in done} == {name: trial.values for name, trial in done.items()}
    (new,) = (found[name] for name in set(found) - set(done))
    assert new.params == left.params and new.user_attrs["takes_up"] == left.number
    started = [variant for variant, *_ in starts(tmp_path)]
    assert len(set(started)) == len(started) == TRIALS


def under_way(study) -> dict:
    """Trials whose process was started, by machine."""
    running = [trial for trial in study.trials if trial.state.name == "RUNNING" and "process" in trial.user_attrs]
    return {trial.user_attrs["host"]: trial for trial in running}


def complete(study) -> dict:
    return {trial.user_attrs["variant"]: trial for trial in study.trials if trial.state.name == "COMPLETE"}
