"""`sweep`, `study` and `compare` refuse what they cannot serve, naming the file and the mend."""

import json
import logging
import subprocess
import types

import pytest
import yaml

SWEEP = {"method": "grid", "metric": {"name": "a", "goal": "maximize"}, "parameters": {"x": {"values": [1, 2]}}}
STUDY = {"axes": {"seed": [0]}, "stages": {"fit": {"over": ["seed"], "run": ["true", "${seed}"]}}}


def searched(**told):
    """A sweep over one parameter."""
    return {"parameters": {"x": told}}


def staged(**told):
    """A study of one stage."""
    return {"stages": {"fit": {"run": ["true"], **told}}}


HYPERBAND = {"type": "hyperband", "min_iter": 2}
SWEEPS = [
    ("nothing: [", "f.yaml: ... mend the YAML there"),
    ("- a", "f.yaml: is no mapping; give W&B's keys: method, metric, parameters"),
    ({"metod": "grid"}, "f.yaml: cannot serve metod; known are command"),
    ({"method": "guess"}, "f.yaml: method 'guess' is none of ... mend method"),
    ({"parameters": {}}, "f.yaml: names no parameters; name at least one under parameters"),
    ({"parameters": {"x": 3}}, "parameter x has no values of its own; write a flat dotted key with value, values"),
    (searched(value=1), "f.yaml: every parameter is constant; give one values, or min and max"),
    (searched(min=0.0, max=1.0), "f.yaml: a grid needs values of x; list them, or use method: random"),
    (searched(min=0), "parameter x cannot be served: max; give value, values"),
    (searched(values=[1, 2], probabilities=[0, 1]), "parameter x cannot be served: probabilities; give value"),
    (searched(min=0, max=1, distribution="beta"), "parameter x cannot be served: distribution beta; give value"),
    ({"early_terminate": 3}, "early_terminate is no mapping; give type: hyperband and min_iter"),
    ({"early_terminate": {"type": "median"}}, "cannot be served; give type: hyperband with min_iter"),
    (
        {"metric": None, "metrics": [{"name": "a"}, {"name": "b"}], "early_terminate": HYPERBAND},
        "early_terminate needs one objective; leave early_terminate out",
    ),
    ({"run_cap": 0}, "f.yaml: run_cap 0 is no number of trials; give 1 or more"),
    ({"metrics": []}, "names not exactly one of metric and metrics; name what is searched for"),
    ({"metric": None, "metrics": []}, "f.yaml: metrics is no list; give a list of {name, goal}"),
    ({"metric": {"goal": "maximize"}}, "is not clear; give name and goal: maximize|minimize"),
    ({"command": "python"}, "f.yaml: command is no list of words; give a list, quoted where needed"),
    (
        {"command": ["${project}", "${args}"]},
        "f.yaml: cannot serve ${project} in command; use ${args_no_hyphens}, ${args}",
    ),
    ({"command": ["true"]}, 'f.yaml: command has no place for the values; add "${args}" at its end'),
    ({"method": "random"}, "f.yaml: says no number of trials; give --trials N, or run_cap in the file"),
]
STUDIES = [
    ("nothing: [", "f.yaml: ... mend the YAML there"),
    ("axes: {}", "f.yaml: names no stages; give name, axes, stages and report"),
    ({"axs": {}}, "f.yaml: the study has no key axs; known are axes"),
    ({"name": "a b"}, "f.yaml: name 'a b' is no folder's name; take letters, digits, - and _"),
    ({"axes": {"seed": []}}, "f.yaml: axis seed has no values; give a list of values, or a mapping"),
    ({"axes": {"seed": ["a b"]}}, "f.yaml: value 'a b' of axis seed is no folder's name; take letters"),
    ({"axes": {"seed": {"a": "b"}}}, "f.yaml: words of seed a are no list; give a list, or []"),
    ({"stages": {"fit": {}}}, "f.yaml: stage fit has no command; give run: [words]"),
    ({"stages": {"1": {"run": ["true"]}}}, "f.yaml: stage '1' has no plain name; take letters, digits and _"),
    (staged(runs=1), "f.yaml: stage fit has no key runs; known are"),
    (staged(over=["x"]), "f.yaml: stage fit is over no axis x; axes are seed"),
    (staged(run=["true", "${seed}"]), "f.yaml: stage fit has no value of seed; name it in over, or write the value"),
    (staged(gpus="two"), "f.yaml: stage fit: gpus and cores are no numbers; give whole numbers"),
    (staged(needs="data"), "f.yaml: stage fit needs data, which is no stage before it; write stages in the order"),
]
WORDS = [
    ("sweep nowhere.yaml", "nowhere.yaml: cannot be read; give a sweep file; some are in configs/sweep"),
    ("sweep right.yaml --trials 0", "--trials: 0 is less than 1; give 1 or more"),
    ("sweep right.yaml --gpus 0,1 --jobs 3", "--gpus: 2 GPUs cannot be shared out evenly among 3 trials; give a"),
    ("study nowhere.yaml", "nowhere.yaml: cannot be read; give a study; some are in configs/study"),
    ("study study.yaml --jobs 0", "--jobs: 0 is less than 1; give 1 or more"),
    ("compare", "compare: names no runs; give either runs to compare, or --rerun RUN"),
    ("compare a --rerun b", "compare: names runs beside --rerun; give either runs to compare"),
    ("compare nowhere", "nowhere: names no run; give a run folder, or <experiment>/<variant> below runs"),
    ("compare e/base --split test", "e/base: no run has a score on test; run `python train.py test`"),
    ("compare e/base --baseline x", "--baseline: no variant is called x; give one of e/base"),
    ("compare --rerun e", "--rerun e: names 2 runs; give one run folder"),
    ("compare --rerun e/base-seed0", "runs/e/base-seed0: is not finished; finish the run first"),
]


MORE = [
    ("sweep sweep.yaml --storage nosuch://x", 2, "--storage: the database cannot be used ("),
    ("sweep sweep.yaml --dry-run", 2, "sweep.yaml: a trial's command does not start: no word; false"),
    ("sweep sweep.yaml", 1, "the first 3 trials all failed, the last by: ... mend the command or the values, and name"),
    ("study study.yaml --dry-run --snakemake=--nonsense", 2, "study.yaml: Snakemake does not read the plan; see"),
]


@pytest.fixture
def here(tmp_path):
    (tmp_path / "right.yaml").write_text(yaml.safe_dump(SWEEP))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    for seed in (0, 1):
        run = tmp_path / f"runs/e/base-seed{seed}"
        run.mkdir(parents=True)
        facts = {"experiment": "e", "variant": "base", "seed": seed, "val": {"score": 0.5}, "score_name": "final"}
        (run / "summary.json").write_text(json.dumps(facts))
        (run / "status.json").write_text(json.dumps({"state": "interrupted"}))
        (run / "config.yaml").write_text("seed_everything: 0\n")
    return tmp_path


def written(path, right, given):
    if isinstance(given, dict):
        given = yaml.safe_dump({key: value for key, value in {**right, **given}.items() if value is not None})
    (path / "f.yaml").write_text(given)


@pytest.mark.parametrize(("given", "told"), SWEEPS, ids=[told[:60] for _, told in SWEEPS])
def test_sweeps_that_cannot_be_served(here, refused, says, given, told):
    pytest.importorskip("optuna")
    written(here, SWEEP, given)
    says(refused("sweep", "f.yaml"), told)


@pytest.mark.parametrize(("given", "told"), STUDIES, ids=[told[:60] for _, told in STUDIES])
def test_studies_that_do_not_hang_together(here, refused, says, given, told):
    written(here, STUDY, given)
    says(refused("study", "f.yaml"), told)


@pytest.mark.parametrize(("words", "told"), WORDS, ids=[words for words, _ in WORDS])
def test_wrong_words(here, refused, says, words, told):
    if words.startswith(("sweep right", "study study")):
        pytest.importorskip("optuna" if words.startswith("sweep") else "snakemake")
    says(refused(*words.split()), told)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "code", "told"), MORE, ids=[words for words, _, _ in MORE])
def test_what_other_programs_refuse(here, refused, says, monkeypatch, words, code, told):
    pytest.importorskip("optuna" if words.startswith("sweep") else "snakemake")
    monkeypatch.setattr("experiments.search.engine.PAUSE", 0.01)
    monkeypatch.setattr(logging.getLogger("optuna"), "handlers", [])  # they write to the stream of an earlier test
    values = {**SWEEP, "parameters": {"x": {"values": [1, 2, 3, 4]}}, "command": ["false", "${args}"]}
    (here / "sweep.yaml").write_text(yaml.safe_dump(values))
    says(refused(*words.split(), code=code), told)


def test_a_sweep_that_changed(here, refused, says):
    optuna = pytest.importorskip("optuna")
    from optuna.storages.journal import JournalFileBackend

    (here / "sweeps/right").mkdir(parents=True)
    storage = optuna.storages.JournalStorage(JournalFileBackend("sweeps/right/journal.jsonl"))
    study = optuna.create_study(study_name="right", storage=storage, direction="maximize")
    study.set_user_attr("sweep", "another")
    says(refused("sweep", "right.yaml"), "right.yaml: the sweep changed since its trials were run; name it anew by")


@pytest.mark.parametrize("words", ["sweep right.yaml", "study study.yaml"])
def test_a_folder_that_another_process_works_in(here, refused, says, words):
    from experiments.folder_lock import held

    command, file = words.split()
    folder = here / ("sweeps/right" if command == "sweep" else "studies/study")
    with held(folder, command):
        says(refused(command, file), f"{folder.name}: another process runs this {command}; ")


@pytest.fixture
def finished(here):
    run = here / "runs/e/base-seed0"
    (run / "status.json").write_text(json.dumps({"state": "finished"}))
    (run / "metrics.jsonl").write_text(json.dumps({"step": 1, "loss": 2.0}) + "\n")
    return run


def test_a_run_that_cannot_be_repeated(finished, typed, says):
    (finished / "config.yaml").write_text("modell: {}\n")
    code, _, told = typed("compare", "--rerun", "e/base-seed0")
    assert code == 2 and "no key 'modell'" in told
    says(told, "config.yaml: the new fit ended with 2; mend what it says above")


def test_a_run_whose_figures_come_out_otherwise(finished, refused, says, monkeypatch):
    def fit(*_, **__):
        again = finished.parents[2] / "again/e/base-seed0"
        again.mkdir(parents=True)
        (again / "metrics.jsonl").write_text(json.dumps({"step": 1, "loss": 3.0}) + "\n")
        return subprocess.CompletedProcess([], 0)

    monkeypatch.setattr("experiments.comparison.rerun.subprocess", types.SimpleNamespace(run=fit, DEVNULL=None))
    told = refused("compare", "--rerun", "e/base-seed0", "--out", "again", code=1)
    says(told, "base-seed0: 1 figures came out otherwise; compare commit, packages, machine and data with its")
