"""Files of sweeps, studies and their trials that are damaged or lead elsewhere: one sentence, nothing begun."""

import json

import pytest
import yaml

from tests.errors.test_many_runs import STUDY, SWEEP, searched, staged, written

SWEEPS = [
    ({"name": "../x"}, "f.yaml: name '../x' is no folder's name; give a name of letters, digits"),
    (searched(value="2024-01-01") | {"command": None}, "f.yaml: every parameter is constant; give one values"),
    ("method: grid\nmetric: {name: a}\nparameters: {x: {value: 2024-01-01}}", "f.yaml: a value is no number, text, "),
    (searched(min=0, max=10**12), "f.yaml: the grid has more than 1000000 points; give fewer values or a larger q"),
    (searched(distribution="log_uniform", min=0, max=1e9), "f.yaml: parameter x cannot be served: math range error;"),
    (
        {"early_terminate": {"type": "hyperband", "min_iter": "x"}},
        "counts by no whole numbers; give min_iter, max_iter",
    ),
]
STUDIES = [
    ("a: &a [*a]", "f.yaml: an alias stands inside of what it names; mend the YAML there"),
    ({"axes": [1]}, "f.yaml: axes are no mapping; give each axis a name and its values"),
    ({"axes": {"seed": [[1]]}}, "f.yaml: value '[1]' of axis seed is no folder's name; take letters"),
    ({"report": ["../x.md"]}, "f.yaml: report ['../x.md'] names no files of the study; give names of files below the"),
    ({"report": 3}, "f.yaml: report 3 names no files of the study; give names of files below the study's folder"),
    (staged(over=3), "f.yaml: stage fit: over is no list of names; give a name or a list"),
    (staged(run=["true", "${study:words}"]), "f.yaml: stage fit has no value of study; name it in over"),
    (staged(over=["seed"], run=["true", "x${seed:words}"]), "f.yaml: stage fit has no value of seed:words; name it in"),
]
TRIAL = {"op_code": 8, "worker_id": "w", "trial_id": 0}
JOURNALS = [
    (lambda lines: [*lines[:2], "{", *lines[2:]], "(line 3 is no JSON); put a copy of it back, or move it aside to"),
    (
        lambda lines: [lines[0], lines[1].replace("user_attr", "user"), *lines[2:]],
        "is damaged (KeyError: 'user_attr')",
    ),
    (
        lambda lines: [*lines, json.dumps({**TRIAL, "user_attr": {"variant": "../x"}})],
        "(trial 0 holds odd values); put",
    ),
    (lambda lines: [*lines, json.dumps({**TRIAL, "user_attr": {"process": "x"}})], "(trial 0 holds odd values); put a"),
]


@pytest.mark.parametrize(("given", "told"), SWEEPS, ids=[told[:60] for _, told in SWEEPS])
def test_sweeps(tmp_path, refused, says, given, told):
    pytest.importorskip("optuna")
    written(tmp_path, SWEEP, given)
    says(refused("sweep", "f.yaml"), told)


@pytest.mark.parametrize(("given", "told"), STUDIES, ids=[told[:60] for _, told in STUDIES])
def test_studies(tmp_path, refused, says, given, told):
    written(tmp_path, STUDY, given)
    says(refused("study", "f.yaml"), told)


@pytest.mark.parametrize(("change", "told"), JOURNALS, ids=[told[:40] for _, told in JOURNALS])
def test_journals(tmp_path, refused, says, change, told):
    pytest.importorskip("optuna")
    from experiments.search.space import space_of
    from experiments.search.storage import open_study
    from experiments.search.sweep_file import read_sweep

    (tmp_path / "f.yaml").write_text(yaml.safe_dump(SWEEP))
    sweep = read_sweep(tmp_path / "f.yaml")
    (tmp_path / "sweeps/f").mkdir(parents=True)
    study = open_study(sweep, space_of(sweep), tmp_path / "sweeps/f", None, 0)
    study.ask(space_of(sweep).distributions)
    journal = tmp_path / "sweeps/f/journal.jsonl"
    whole = change(journal.read_text().splitlines())
    journal.write_text("\n".join([*whole, ""]))
    told_now = refused("sweep", "f.yaml")
    assert "sweeps/f/journal.jsonl: the record of the trials is damaged (" in told_now
    says(told_now, told)
    # Nothing of it is lost, whatever Optuna has added.
    assert journal.read_text().splitlines()[: len(whole)] == whole
