"""The search through its command, on a stand-in for train.py that ends at once or slowly."""

import csv
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.command import ROOT, environment, experiments

pytest.importorskip("optuna")
PROGRAM = Path(__file__).with_name("program.py")
RATE = {"distribution": "log_uniform_values", "min": 1e-3, "max": 1.0}
SCORE = {"name": "val/final_score", "goal": "maximize"}


def sweep_file(folder: Path, **changes: object) -> Path:
    shutil.copy(PROGRAM, folder / "program.py")
    told = {"program": "program.py", "method": "random", "metric": SCORE, "parameters": {"rate": RATE}} | changes
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in told.items() if value is not None}))
    return path


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweeps/s/trials.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def starts(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "starts.txt").read_text().splitlines()]


def test_a_grid_runs_every_point_once_and_ranks_them(tmp_path: Path) -> None:
    rates = [0.1, 0.3, 0.9]
    path = sweep_file(tmp_path, method="grid", parameters={"rate": {"values": rates}, "size": {"min": 1, "max": 2}})
    done = experiments("sweep", path, "--jobs", "2", "--gpus", "4,5,6,7", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path)
    assert sorted((float(row["rate"]), int(row["size"])) for row in found) == [(r, s) for r in rates for s in (1, 2)]
    assert [row["rank"] for row in found] == ["1", "2", "3", "4", "5", "6"]
    assert float(found[0]["rate"]) == 0.3 and float(found[0]["val/final_score"]) == pytest.approx(1 - 1 / 10)
    assert {devices for _, _, devices in starts(tmp_path)} == {"4,5", "6,7"}
    assert all((tmp_path / "runs" / row["run"] / "metrics.jsonl").is_file() for row in found)
    again = experiments("sweep", path, "--jobs", "2", cwd=tmp_path)
    assert again.returncode == 0 and len(starts(tmp_path)) == 6


@pytest.mark.slow
def test_several_objectives_give_a_front_and_what_is_over_budget_is_not_trained(tmp_path: Path) -> None:
    objectives = [SCORE, {"name": "gmacs", "goal": "minimize"}]
    size = {"distribution": "q_uniform", "min": 10, "max": 70, "q": 10}
    path = sweep_file(
        tmp_path, method="bayes", metric=None, metrics=objectives, parameters={"rate": RATE, "size": size}
    )
    done = experiments("sweep", path, "--trials", "12", "--jobs", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path)
    over = [row for row in found if row["state"] == "over budget"]
    assert len(found) == 12 and over and all(int(row["size"]) > 50 and not row["gmacs"] for row in over)
    complete = [row for row in found if row["state"] == "complete"]
    points = [(float(row["val/final_score"]), -float(row["gmacs"])) for row in complete]
    for row, point in zip(complete, points, strict=True):
        beaten = any(other != point and all(a >= b for a, b in zip(other, point, strict=True)) for other in points)
        assert (row["rank"] == "1") is not beaten
    assert "pareto.png" in done.stdout


@pytest.mark.slow
def test_hyperband_ends_bad_trials_early(tmp_path: Path) -> None:
    parameters = {"rate": {"values": [0.3, 0.31, 0.29, 0.9, 0.95, 1.0]}, "pause": {"value": 0.25}}
    stop = {"type": "hyperband", "min_iter": 1, "max_iter": 5, "eta": 2}
    path = sweep_file(tmp_path, method="grid", parameters=parameters, early_terminate=stop)
    done = experiments("sweep", path, "--jobs", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    pruned = [row for row in rows(tmp_path) if row["state"] == "pruned"]
    assert pruned and all("pruned after validation" in row["why"] for row in pruned)
    for row in pruned:
        lines = (tmp_path / "runs" / row["run"] / "metrics.jsonl").read_text().splitlines()
        assert len(lines) < 5 and not (tmp_path / "runs" / row["run"] / "summary.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_a_sweep_that_was_ended_is_taken_up_and_repeats_no_finished_trial(tmp_path: Path, sign: int) -> None:
    path = sweep_file(tmp_path, parameters={"rate": RATE, "pause": {"value": 0.3}})
    words = [sys.executable, "-m", "experiments", "sweep", str(path), "--trials", "6", "--jobs", "2"]
    engine = subprocess.Popen(
        words, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    while time.monotonic() < until and len(list(tmp_path.glob("runs/toy/*/summary.json"))) < 2:
        time.sleep(0.02)
    time.sleep(0.7)  # the next ones are under way
    engine.send_signal(sign)
    assert engine.wait(timeout=60) == (143 if sign == signal.SIGTERM else -sign)
    finished = {path.parent.name for path in tmp_path.glob("runs/toy/*/summary.json")}
    before = starts(tmp_path)
    assert 2 <= len(finished) < 6
    # A torn line at the end of the journal is what a kill in the middle of a write leaves.
    with (tmp_path / "sweeps/s/journal.jsonl").open("ab") as journal:
        journal.write(b'{"op_code": 5, "worker')
    again = experiments(*words[3:], cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    found = rows(tmp_path)
    assert [row["state"] for row in found] == ["complete"] * 6
    assert len({row["run"] for row in found}) == 6
    later = [variant for variant, *_ in starts(tmp_path)[len(before) :]]
    # What was seen to finish before the end may be started once more only if the engine had not yet noted it.
    noted = finished - {f"{variant}-seed0" for variant in later}
    assert len(noted) >= len(finished) - 2
    rates = {variant: rate for variant, rate, _ in starts(tmp_path)}
    assert all(rates[variant] == rate for variant, rate, _ in before), "a trial that goes on keeps its values"
    for row in found:
        lines = (tmp_path / "runs" / row["run"] / "metrics.jsonl").read_text().splitlines()
        assert len(lines) == 5, "a trial that goes on repeats nothing"


def test_failures_are_told_and_a_hopeless_sweep_ends(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, parameters={"rate": RATE, "break": {"value": 0}})
    done = experiments("sweep", path, "--trials", "20", cwd=tmp_path)
    assert done.returncode == 1 and len(starts(tmp_path)) == 3
    assert "the first 3 trials all failed" in done.stderr and "the rate is too high" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_changed_sweep_does_not_go_on_with_the_old_trials(tmp_path: Path) -> None:
    path = sweep_file(tmp_path)
    assert experiments("sweep", path, "--trials", "1", cwd=tmp_path).returncode == 0
    sweep_file(tmp_path, parameters={"rate": {"values": [0.1, 0.2]}})
    done = experiments("sweep", path, "--trials", "2", cwd=tmp_path)
    assert done.returncode == 2 and "the sweep changed since its trials were run" in done.stderr


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "guess"}, "method 'guess'"),
        ({"parameters": {}}, "names no parameters"),
        ({"parameters": {"rate": {"distribution": "normal", "min": 0, "max": 1}}}, "parameter rate cannot be served"),
        ({"parameters": {"rate": {"min": 1}}}, "parameter rate cannot be served: max"),
        ({"parameters": {"rate": {"value": 1}}}, "every parameter is constant"),
        ({"parameters": {"a": {"parameters": {"b": {"value": 1}}}}}, "flat dotted key"),
        ({"method": "grid"}, "a grid needs values of rate"),
        ({"metric": {"name": "x", "goal": "up"}}, "is not clear"),
        ({"metrics": [SCORE]}, "exactly one of metric and metrics"),
        ({"command": ["${program}"]}, "no place for the values"),
        ({"command": ["${args_json}"]}, "cannot serve ${args_json}"),
        ({"early_terminate": {"type": "envelope"}}, "early_terminate {'type': 'envelope'}"),
        (
            {"early_terminate": {"type": "hyperband", "min_iter": 1}, "metric": None, "metrics": [SCORE] * 2},
            "one objective",
        ),
        ({"run_cap": 0}, "run_cap 0"),
        ({"speed": 3}, "cannot serve speed"),
        ({}, "says no number of trials"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_sentence(
    tmp_path: Path, changes: dict, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.__main__ import main

    monkeypatch.chdir(tmp_path)
    assert main(["sweep", str(sweep_file(tmp_path, **changes))]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_the_command_of_a_trial_is_what_wandb_would_make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from experiments.search.space import space_of
    from experiments.search.sweep_file import read_sweep

    monkeypatch.setenv("PLACE", "here")
    command = ["${interpreter}", "${program}", "fit", "--root", "${envvar:PLACE}", "${args}"]
    parameters = {
        "a.lr": {"value": 1e-4},
        "a.sizes": {"values": [[1, 2], None]},
        "a.on": {"value": True},
        "a.n": {"distribution": "q_log_uniform_values", "min": 8, "max": 64, "q": 8},
    }
    sweep = read_sweep(sweep_file(tmp_path, command=command, parameters=parameters))
    values = space_of(sweep).values({"a.sizes": "[1, 2]", "a.n": 21.3})
    words = sweep.words(values)
    assert words[1:5] == ["program.py", "fit", "--root", "here"]
    assert set(words[5:]) == {"--a.lr=0.0001", "--a.on=true", "--a.sizes=[1, 2]", "--a.n=24"}


def test_the_search_loads_no_torch() -> None:
    code = (
        "import sys; import experiments.search.engine, experiments.search.report, optuna; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
