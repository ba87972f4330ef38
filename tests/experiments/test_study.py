"""Studies through their command: planned, run, taken up and told of, with Snakemake as the engine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.command import environment, experiments

pytest.importorskip("snakemake")
# Notes its start, waits, and notes its end.
STEP = (
    "import sys, time, os; out = open('steps.txt', 'a'); print('start', *sys.argv[2:], file=out, flush=True);"
    "time.sleep(float(sys.argv[1])); print('end', *sys.argv[2:], os.environ.get('CUDA_VISIBLE_DEVICES', '-'), file=out)"
)


def step(*words: str, pause: float = 0.0) -> list[str]:
    return ["python", "-c", STEP, str(pause), *words]


def study_file(folder: Path, pause: float = 0.0, **stages: dict) -> Path:
    told = {
        "axes": {"variant": {"plain": [], "fast": ["--speed", "{2}"]}, "seed": [0, 1]},
        "stages": {
            "data": {"run": step("data")},
            "fit": {
                "needs": "data",
                "over": ["variant", "seed"],
                "gpus": 1,
                "run": step("fit", "${variant}", "${seed}", "${variant:words}", pause=pause),
            },
            "table": {"needs": ["fit"], "run": ["sh", "-c", "echo '# Found' > ${study}/table.md"]},
            **stages,
        },
        "report": ["table.md"],
    }
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    return path


def steps(folder: Path) -> list[str]:
    return (folder / "steps.txt").read_text().splitlines()


def test_the_plan_is_every_stage_in_every_cell(tmp_path: Path) -> None:
    from experiments.pipeline.plan import plan
    from experiments.pipeline.study_file import read_study

    seed_table = {"needs": ["data", "fit"], "over": "seed", "run": ["echo", "${seed}"]}
    jobs = {job.name: job for job in plan(read_study(study_file(tmp_path, by_seed=seed_table)), Path("here"))}
    assert len(jobs) == 1 + 4 + 1 + 2
    assert jobs["fit-variant_fast-seed_1"].needs == ("data",)
    assert jobs["fit-variant_fast-seed_1"].words[-5:] == ("fit", "fast", "1", "--speed", "{2}")
    assert len(jobs["table"].needs) == 4 and jobs["table"].words[-1].endswith("here/table.md")
    assert jobs["by_seed-seed_1"].needs == ("data", "fit-variant_plain-seed_1", "fit-variant_fast-seed_1")


def test_a_study_runs_its_stages_in_order_once(tmp_path: Path) -> None:
    path = study_file(tmp_path, pause=0.5)
    shown = experiments("study", path, "--dry-run", cwd=tmp_path)
    assert shown.returncode == 0 and "6 jobs, 0 done, 6 to do" in shown.stdout, shown.stderr
    assert not (tmp_path / "steps.txt").exists()
    done = experiments("study", path, "--jobs", "2", "--gpus", "5,7", cwd=tmp_path)
    assert done.returncode == 0 and "6 of 6 jobs done" in done.stdout and "[6/6] table" in done.stdout, done.stderr
    found = steps(tmp_path)
    assert found[:2] == ["start data", "end data -"]
    fits = [line for line in found if line.startswith("end fit")]
    assert sorted(line.rsplit(" ", 1)[0] for line in fits) == [
        "end fit fast 0 --speed {2}", "end fit fast 1 --speed {2}", "end fit plain 0", "end fit plain 1",
    ]  # fmt: skip
    assert {line.split()[-1] for line in fits} <= {"5", "7"}
    report = (tmp_path / "studies/s/report.md").read_text()
    assert "## Found" in report and "| fit-variant_plain-seed_0 | done |" in report
    again = experiments("study", path, cwd=tmp_path)
    assert again.returncode == 0 and steps(tmp_path) == found


@pytest.mark.slow
def test_a_changed_command_runs_again_with_what_needs_it(tmp_path: Path) -> None:
    assert experiments("study", study_file(tmp_path), "--jobs", "2", cwd=tmp_path).returncode == 0
    before = (tmp_path / "studies/s/done/data.json").stat().st_mtime_ns
    study_file(tmp_path, fit={"needs": "data", "over": "seed", "run": step("other", "${seed}")})
    assert experiments("study", tmp_path / "s.yaml", "--jobs", "2", cwd=tmp_path).returncode == 0
    assert (tmp_path / "studies/s/done/data.json").stat().st_mtime_ns == before
    assert sorted(line for line in steps(tmp_path) if "start other" in line) == ["start other 0", "start other 1"]


@pytest.mark.slow
def test_a_failed_job_is_told_and_what_does_not_need_it_is_done(tmp_path: Path) -> None:
    broken = {"over": "seed", "run": ["sh", "-c", "test ${seed} = 0 || { echo 'no seed one'; exit 3; }"]}
    path = study_file(tmp_path, broken=broken, after={"needs": "broken", "run": step("after")})
    done = experiments("study", path, "--jobs", "2", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "failed broken-seed_1: no seed one" in done.stdout and "waits  after" in done.stdout
    assert (tmp_path / "studies/s/table.md").exists() and "start after" not in steps(tmp_path)


def stop(folder: Path, path: Path, sign: int, at: str) -> int:
    """Send a signal once a step has begun, and return the exit code."""
    words = [sys.executable, "-m", "experiments", "study", str(path), "--jobs", "2"]
    engine = subprocess.Popen(words, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while time.monotonic() < until and not ((folder / "steps.txt").exists() and at in steps(folder)):
        time.sleep(0.05)
    os.kill(engine.pid, sign)
    return engine.wait(timeout=90)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_a_study_that_was_ended_is_taken_up(tmp_path: Path, sign: int) -> None:
    from experiments.pipeline.engine import processes

    path = study_file(tmp_path, pause=2.0)
    code = stop(tmp_path, path, sign, "start fit plain 0")
    assert code == (143 if sign == signal.SIGTERM else -sign)
    if sign == signal.SIGTERM:
        assert not processes(tmp_path / "studies/s"), "nothing lives on"
    done = experiments("study", path, "--jobs", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = steps(tmp_path)
    assert found.count("start data") == 1
    for job in (tmp_path / "studies/s/done").glob("*.json"):
        assert json.loads(job.read_text())["state"] == "done"
    assert not processes(tmp_path / "studies/s")
    assert all(f"end fit {variant} {seed}" in "\n".join(found) for variant in ("plain", "fast") for seed in (0, 1))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"axes": {"seed": []}}, "axis seed has no values"),
        ({"axes": {"seed": ["a/b"]}}, "is no folder's name"),
        ({"stages": {}}, "names no stages"),
        ({"stages": {"a": {"run": []}}}, "stage a has no command"),
        ({"stages": {"a": {"run": ["x", "${speed}"]}}}, "stage a has no value of speed"),
        ({"stages": {"a": {"run": ["x"], "needs": "b"}, "b": {"run": ["x"]}}}, "which is no stage before it"),
        ({"stages": {"a": {"run": ["x"], "over": "speed"}}}, "over no axis speed"),
        ({"stages": {"a": {"run": ["x"], "gpu": 1}}}, "stage a has no key gpu"),
        ({"speed": 1}, "the study has no key speed"),
        ({"name": "../up"}, "no folder's name"),
    ],
)
def test_what_does_not_hang_together_is_refused(
    tmp_path: Path, changes: dict, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.__main__ import main

    monkeypatch.chdir(tmp_path)
    path = study_file(tmp_path)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))
    assert main(["study", str(path)]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "studies").exists()
