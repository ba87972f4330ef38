"""Distillation is judged on the same clips, says whether its premise held, and whether its pool leaks."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.__main__ import main
from records.files import write_json
from records.predictions import Prediction, write_predictions
from records.pseudo_labels import write_pseudo_labels

CONTENTS, EACH = 8, 5


def run_folder(root: Path, name: str, noise: float, splits: tuple[str, ...] = ("val", "test")) -> None:
    """A run whose predictions are the labels and that much noise."""
    rows = []
    for split in splits:
        labels = np.random.default_rng(len(split)).uniform(1, 5, CONTENTS * EACH)
        said = labels + noise * np.random.default_rng(sum(map(ord, name + split))).normal(size=len(labels))
        rows += [
            Prediction(f"{split}/{at}.mp4", float(said[at]), float(label), "label", f"{split}{at // EACH}", split)
            for at, label in enumerate(labels)
        ]
    folder = root / name
    folder.mkdir(parents=True)
    write_predictions(folder / "predictions.parquet", rows)
    made = [{"kind": "data", "path": "data/some", "hash": "b" * 64, "made_by": []}]
    write_json(folder / "summary.json", {"score_name": "final_no_rank", "inputs": made})


def pool(root: Path, transductive: bool = False) -> Path:
    counts = {"pool": 5, "unreadable": 0, "leaks": 1, "copy": 1, "spread": 0, "labelled": 3}
    header = {"teacher": ["a" * 64], "transductive": transductive, "counts": counts}
    labels = root / "pseudo_labels.parquet"
    write_pseudo_labels(labels, ["a.mp4", "b.mp4", "c.mp4"], np.ones(3), np.zeros(3), ["a", "a", "c"], header)
    return labels


def command(root: Path, labels: Path) -> list[str]:
    return ["analyse", "distillation", "s/pool*", "--baseline", "s/plain", "--teacher", "t/mean", "--labels",
            str(labels), "--root", str(root), "--out", str(root / "out")]  # fmt: skip


def students(root: Path, teacher: float) -> None:
    run_folder(root, "t/mean-seed0", teacher)
    for seed in range(3):
        run_folder(root, f"s/plain-seed{seed}", 1.0)
        run_folder(root, f"s/pool-seed{seed}", 0.0)
        run_folder(root, f"s/pool_bad-seed{seed}", 9.0)


def test_gains_and_losses_are_told_with_their_intervals(tmp_path: Path) -> None:
    students(tmp_path, teacher=0.1)
    assert main(command(tmp_path, pool(tmp_path))) == 0
    text = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    figures = json.loads((tmp_path / "out/figures.json").read_text())
    assert text.startswith("# Distillation on data/some: ")
    for split, clips in (("val", 40), ("test", 40), ("both", 80)):
        assert f"## {split}: {clips} clips of {clips // EACH} contents" in text
        assert figures[f"{split}/pool/srocc"] == pytest.approx(1)
        gain = 1 - figures[f"{split}/without a pool/srocc"]
        assert figures[f"{split}/pool/change"] == pytest.approx(gain) and gain > 0.05
        assert figures[f"{split}/pool_bad/change"] < -0.2
    table = (tmp_path / "out/distillation_test.csv").read_text().splitlines()
    rows = {line.split(",")[0]: line.split(",") for line in table[1:]}
    assert list(rows) == ["without a pool", "teacher", "pool", "pool_bad"] and rows["without a pool"][5:] == [""] * 4
    assert 0 < float(rows["pool"][6]) < float(rows["pool"][5]) < float(rows["pool"][7])
    assert float(rows["pool_bad"][7]) < 0 and float(rows["pool_bad"][8]) < 0.05
    assert "The teacher is ahead of what it teaches" in text and "Test shows 8 contents" in text
    assert "3 labels of 5 clips, 2 contents." in text and "Transductive: no." in text
    assert "unreadable 0, copy 1, spread 0; clips that are or look like held-out ones 1." in text
    assert figures["transductive"] == "false"


def test_a_teacher_without_a_lead_and_a_pool_that_leaks_are_told_first(tmp_path: Path) -> None:
    students(tmp_path, teacher=5.0)
    assert main(command(tmp_path, pool(tmp_path, transductive=True))) == 0
    cautions, _, _ = (tmp_path / "out/report.md").read_text(encoding="utf-8").partition("## The pool")
    assert "Transductive: clips of validation or test" in cautions and "The premise failed" in cautions


def test_runs_on_other_clips_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    students(tmp_path, teacher=0.1)
    run_folder(tmp_path, "s/pool_untested-seed0", 0.5, splits=("val",))
    assert main(command(tmp_path, pool(tmp_path))) == 2
    said = capsys.readouterr().err
    assert "has no predictions of the same test clips as the others" in said and "pool_untested-seed0" in said
