"""Across data sets: drops are told against the diagonal, and inflation by halves that take turns."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.__main__ import main
from records.files import write_json
from records.labels import Label, write_labels
from records.predictions import Prediction, write_predictions

CONTENTS, EACH = 12, 4
LABELS = {name: np.random.default_rng(place).uniform(1, 5, CONTENTS * EACH) for place, name in enumerate("ab")}


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.analysis.transfer_judge.DRAWS", 400)


def clips(name: str) -> list[Label]:
    return [Label(f"{name}/{at}.mp4", float(score), f"{name}{at // EACH}", "test")
            for at, score in enumerate(LABELS[name])]  # fmt: skip


def tables(root: Path) -> None:
    for name in LABELS:
        write_labels(root / f"{name}.csv", clips(name))


def system(root: Path, variant: str, noise: dict[str, float], seeds: int = 3, **summary: object) -> None:
    """Runs whose predictions of each set are its labels and that much noise."""
    for seed in range(seeds):
        rows = []
        for name, amount in noise.items():
            random = np.random.default_rng(97 * seed + ord(name))
            rows += [
                Prediction(
                    row.id, float(row.score or 0) + amount * random.normal(), row.score, "label", row.content, "test"
                )
                for row in clips(name)
            ]
        folder = root / "runs/m" / f"{variant}-seed{seed}"
        folder.mkdir(parents=True)
        write_predictions(folder / "predictions.parquet", rows)
        write_json(folder / "summary.json", {"split_hash": variant, "test": {"score": 0.5}, **summary})
        write_json(folder / "status.json", {"state": "finished"})


def analyse(root: Path, *words: str) -> int:
    return main(["analyse", "transfer", *words, "--root", str(root / "runs"), "--out", str(root / "out")])


def matrix(root: Path, *words: str) -> list[str]:
    return ["--sets", f"a={root}/a.csv", f"b={root}/b.csv", "--trained", "a=m/a", "b=m/b", *words]


def table(root: Path, name: str) -> dict[str, list[str]]:
    """Rows by their first cells."""
    rows = (line.split(",") for line in (root / f"out/{name}.csv").read_text().splitlines()[1:])
    return {" ".join(row[:2]): row for row in rows}


def test_the_matrix_tells_drops_against_the_diagonal_and_what_a_pool_brings(tmp_path: Path) -> None:
    tables(tmp_path)
    system(tmp_path, "a", {"a": 0.0, "b": 2.0})
    system(tmp_path, "b", {"a": 0.3, "b": 0.3})
    system(tmp_path, "a_pool", {"a": 0.0, "b": 0.0})
    assert analyse(tmp_path, *matrix(tmp_path, "--pooled", "a=m/a_pool")) == 0
    figures = json.loads((tmp_path / "out/figures.json").read_text())
    assert figures["a/a/srocc"] == pytest.approx(1) and figures["a+pool/b/plcc"] == pytest.approx(1)
    assert figures["a/b/srocc"] < 0.7 < 0.9 < figures["b/b/srocc"] < 1
    assert figures["drops/a/b/srocc"] == pytest.approx(figures["a/b/srocc"] - figures["b/b/srocc"])
    assert figures["drops/b/a/srocc"] == pytest.approx(figures["b/a/srocc"] - 1)
    assert figures["gains/a+pool/b/srocc"] == pytest.approx(1 - figures["a/b/srocc"])
    drops, gains = table(tmp_path, "drops"), table(tmp_path, "gains")
    assert list(drops) == ["a b", "b a", "a + pool b"] and list(gains) == ["a + pool a", "a + pool b"]
    value, low, high, p = map(float, drops["a b"][3:7])
    assert low < value < high < 0 and p < 0.05
    assert [float(cell) for cell in gains["a + pool a"][3:7]] == [0, 0, 0, 1]
    said = (tmp_path / "out/report.md").read_text()
    assert "| a | 1.000 |" in said and "as few as 12 contents" in said
    assert "different splits" not in said and "Too few seeds" not in said


def test_runs_on_other_sets_join_and_cells_nobody_tested_stay_empty(tmp_path: Path) -> None:
    tables(tmp_path)
    system(tmp_path, "a", {"a": 0.0}, seeds=2)
    system(tmp_path, "a_on_b", {"b": 0.0}, seeds=2)
    system(tmp_path, "b", {"b": 0.5}, transductive=True)
    assert analyse(tmp_path, *matrix(tmp_path, "--trained", "a=m/a", "a=m/a_on_b", "b=m/b")) == 0
    assert list(table(tmp_path, "matrix")) == ["a a", "a b", "b b"]
    cautions, _, rest = (tmp_path / "out/report.md").read_text().partition("## The matrix")
    assert "Too few seeds to say how far a seed moves a score: a." in cautions and "| b |  |" in rest
    assert "Trained on labels that came from what they are judged on: m/b (3 runs)" in cautions


def inflation(root: Path, *words: str) -> list[str]:
    return ["--halves", f"{root}/a.csv", f"{root}/b.csv", "--alone", "m/alone", "--honest", "m/h1", "m/h2", *words]


def test_inflation_is_what_a_student_gains_on_the_clips_of_its_pool(tmp_path: Path) -> None:
    tables(tmp_path)
    system(tmp_path, "alone", {"a": 1.0, "b": 1.0})
    for teacher, seen in (("h", 0.5), ("l", 0.0)):
        system(tmp_path, f"{teacher}1", {"a": seen, "b": 1.0}, transductive=True, pool={"clips": 40})
        system(tmp_path, f"{teacher}2", {"a": 1.0, "b": seen}, transductive=True, pool={"clips": 40})
    assert analyse(tmp_path, *inflation(tmp_path, "--leaky", "m/l1", "m/l2")) == 0
    figures = json.loads((tmp_path / "out/figures.json").read_text())
    assert figures["inflation/the evaluated clips, leaky/srocc"] == pytest.approx(1)
    honest = [figures[f"inflation/{pool}, honest/srocc"] for pool in ("the evaluated clips", "other clips")]
    assert figures["inflation/transductive/srocc"] == pytest.approx(honest[0] - honest[1])
    assert figures["inflation/leaked/srocc"] == pytest.approx(1 - honest[1])
    assert 0.02 < figures["inflation/transductive/low"] < figures["inflation/transductive/srocc"]
    assert figures["inflation/indirect/srocc"] == figures["inflation/pool/srocc"] == 0
    cautions, _, rest = (tmp_path / "out/report.md").read_text().partition("## Labels of the evaluated clips")
    assert "none of their scores is a result" in cautions and "not of one size" not in cautions
    assert "m/l2 (3 runs)" in cautions and "Halves: 48 clips of 12 contents and 48 clips of 12 contents." in rest


def test_pools_of_two_sizes_are_told(tmp_path: Path) -> None:
    tables(tmp_path)
    system(tmp_path, "alone", {"a": 1.0, "b": 1.0})
    for place in (1, 2):
        system(tmp_path, f"h{place}", {"a": 1.0, "b": 1.0}, pool={"clips": 30 + place})
    assert analyse(tmp_path, *inflation(tmp_path)) == 0
    said = (tmp_path / "out/report.md").read_text()
    assert "which the gaps may come from: honest, half 1 31, honest, half 2 32 clips" in said
