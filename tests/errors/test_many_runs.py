"""`sweep`, `study` and `compare` refuse what they cannot serve, naming the file and the mend."""

import json

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
