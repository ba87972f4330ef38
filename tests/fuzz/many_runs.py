"""What commands over many runs read: the file of a sweep, the journal of its trials, and the file of a study."""

import contextlib
import io
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.command import ROOT
from tests.fuzz.mutations import mutate

SCORE = {"name": "val/final_score", "goal": "maximize"}
SEARCHED = {
    "rate": {"distribution": "log_uniform_values", "min": 1e-3, "max": 1.0},
    "kind": {"values": ["a", "b"]},
    "size": {"min": 1, "max": 4},
    "fixed": {"value": [1, {"a": 2}]},
}
SWEEP = {"name": "s", "method": "random", "metric": SCORE, "parameters": SEARCHED, "run_cap": 9}


def sweeps(folder: Path) -> None:
    kinds = {
        "random": SWEEP,
        "grid": {**SWEEP, "method": "grid", "parameters": {"x": {"values": [1, [2]]}, "y": {"min": 1, "max": 3}}},
        "bayes": {
            **SWEEP,
            "method": "bayes",
            "early_terminate": {"type": "hyperband", "max_iter": 27, "s": 2, "eta": 3},
            "command": ["${env}", "${interpreter}", "${program}", "${envvar:HOME}", "${args}"],
            "parameters": {
                **SEARCHED,
                "q": {"distribution": "q_log_uniform", "min": 0.0, "max": 2.5, "q": 2},
                "step": {"distribution": "q_uniform", "min": 0.5, "max": 2.0, "q": 0.5},
            },
        },
        "front": {**SWEEP, "metric": None, "metrics": [SCORE, {"name": "gmacs"}]},
    }
    for name, told in kinds.items():
        rows = {key: value for key, value in told.items() if value is not None}
        (folder / name).write_text(yaml.safe_dump(rows))
    for path in (ROOT / "configs/sweep").glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())


def run_sweep(folder: Path, data: bytes) -> None:
    """All that comes before a trial is started."""
    from experiments.search.dry import draw
    from experiments.search.space import space_of
    from experiments.search.storage import make_pruner
    from experiments.search.sweep_file import read_sweep

    path = folder / "sweep.yaml"
    path.write_bytes(data)
    sweep = read_sweep(path)
    assert len(sweep.hash) == 16 and "/" not in sweep.name and sweep.name not in (".", "..")
    space = space_of(sweep)
    if sweep.method == "grid":
        space.grid(str(path))
    words = sweep.words(space.values(draw(space, 0)))
    assert words and all(isinstance(word, str) for word in words)
    make_pruner(sweep)


def studies(folder: Path) -> None:
    whole = {
        "axes": {"letter": ["a", "b"], "seed": [0, 1], "variant": {"base": [], "wide": ["--width", "2"]}},
        "stages": {
            "make": {"over": ["letter", "seed"], "run": ["python", "make.py", "${letter}", "--seed=${seed}"]},
            "fit": {"over": "variant", "needs": "make", "run": ["sh", "${variant:words}"], "gpus": 1, "cores": 2},
            "join": {"needs": ["make", "fit"], "run": ["cat", "${study}/x"]},
        },
        "report": ["table.md"],
        "name": "s",
    }
    (folder / "whole").write_text(yaml.safe_dump(whole, sort_keys=False))
    bare = {"stages": {"make": {"run": ["true"]}}, "report": "x.md"}
    (folder / "bare").write_text(yaml.safe_dump(bare))
    for path in (ROOT / "configs/study").glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())


def run_study(folder: Path, data: bytes) -> None:
    """All that comes before Snakemake is started."""
    from experiments.pipeline.outcome import show_plan
    from experiments.pipeline.plan import plan, snakefile
    from experiments.pipeline.study_file import read_study

    path = folder / "study.yaml"
    path.write_bytes(data)
    study = read_study(path)
    place = folder / "studies" / study.name
    assert place.parent == folder / "studies" and study.name not in (".", "..")
    jobs = plan(study, place)
    compile(snakefile(jobs, folder, None).replace("rule ", "class "), "Snakefile", "exec", flags=0x400)
    for job in jobs:
        assert (place / job.log).resolve().is_relative_to(place.resolve())
    for name in study.report:
        assert (place / name).resolve().is_relative_to(place.resolve()), name
    with contextlib.redirect_stdout(io.StringIO()):
        show_plan(study, jobs, place)


def _study(folder: Path, place: Path) -> tuple:
    from experiments.search.space import space_of
    from experiments.search.storage import open_study
    from experiments.search.sweep_file import read_sweep

    path = folder / "s.yaml"
    if not path.is_file():
        path.write_text(yaml.safe_dump(SWEEP))
    sweep = read_sweep(path)
    space = space_of(sweep)
    return sweep, space, open_study(sweep, space, place, None, 0)


def journals(folder: Path) -> None:
    """The journal of a sweep with trials in every state, one of them taken up."""
    from optuna.trial import TrialState

    from experiments.search.engine import HOST, PROCESS, REASON, TAKES_UP, VALUES, VARIANT

    place = folder.with_name(f"{folder.name}-made")
    place.mkdir()
    _, space, study = _study(place, place)
    for number, state in enumerate(("COMPLETE", "COMPLETE", "FAIL", "PRUNED", "RUNNING")):
        trial = study.ask(space.distributions)
        values = {VARIANT: f"s-t{number:04d}", VALUES: space.values(trial.params), HOST: "x", PROCESS: "999999999 1"}
        for name, value in values.items():
            trial.set_user_attr(name, value)
        trial.report(0.5, step=1)
        if state == "RUNNING":
            continue
        trial.set_user_attr(REASON, "why")
        study.tell(trial, 0.1 * number if state == "COMPLETE" else None, state=TrialState[state])
    study.enqueue_trial({"rate": 0.5}, user_attrs={TAKES_UP: 4})
    (place / "journal.jsonl").rename(folder / "whole")
    shutil.rmtree(place)


def run_journal(folder: Path, data: bytes) -> None:
    """What a sweep that is taken up reads, shows and goes on with."""
    from experiments.search import engine, report, terminal

    place = folder / "taken-up"
    place.mkdir(exist_ok=True)
    (place / "journal.jsonl").write_bytes(data)
    report._pictures = lambda *_: []
    engine.end_leftover = lambda known: None
    with contextlib.redirect_stdout(io.StringIO()):
        sweep, space, study = _study(folder, place)
        rows = report.ranking(sweep, study, folder / "runs")
        terminal.show(sweep, rows, report.write_report(sweep, study, rows, place))
        running = engine.Engine(sweep, space, study, place, folder / "runs", 9)
        running._take_up()
        running._check_hope()
        if running._may_start():
            study.ask(space.distributions)


def broken_lines(sound: Sequence[bytes], chance: random.Random) -> bytes:
    """A journal of which a line is broken, gone or there twice, or says something else."""
    from tests.fuzz.targets import VALUES

    lines = chance.choice(sound).splitlines(keepends=True)
    for _ in range(chance.choice((1, 1, 2, 4))):
        place, kind = chance.randrange(len(lines)), chance.random()
        if kind < 0.4:
            with contextlib.suppress(ValueError, TypeError, IndexError):  # it was broken before
                row = json.loads(lines[place])
                row[chance.choice(list(row))] = chance.choice([*VALUES, *range(12)])
                lines[place] = json.dumps(row).encode() + b"\n"
        elif kind < 0.7:
            lines[place] = mutate(lines[place], lines, chance)
        elif kind < 0.85:
            del lines[place]
        else:
            lines.insert(chance.randrange(len(lines)), lines[place])
        if not lines:
            break
    return b"".join(lines)
