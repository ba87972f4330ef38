"""Accuracy of the mini student: five folds by source, predictions pooled, beside the ridge and an untrained network.

Every fold is a run of `train.py`, scored with its last checkpoint, so nothing is selected on the held-out clips.
Finished folds are not trained again. `python benchmarks/accuracy.py [--root data/mini-kvq] [--runs runs]`
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRAINED = ROOT / "configs/exp/kvq/mini_student.yaml"
UNTRAINED = ROOT / "configs/ablation/mini_untrained.yaml"
FOLDS = 5


def type_(*words: object) -> None:
    """Run one command of the project, its output on ours."""
    subprocess.run([sys.executable, *map(str, words)], check=True)


def pooled(config: Path, variant: str, data: Path, runs: Path) -> dict:
    """Train and score all folds of a config; scores of the pooled predictions."""
    tables = []
    for fold in range(FOLDS):
        words = ["--config", config, "--run.root", runs, "--run.variant", f"{variant}-fold{fold}"]
        words += ["--data.init_args.root", data, "--data.init_args.fold", fold, "--wandb.mode", "disabled"]
        type_(ROOT / "train.py", "fit", *words)
        folder = runs / f"mini_student/{variant}-fold{fold}-seed0"
        type_(ROOT / "train.py", "validate", *words, "--ckpt_path", folder / "checkpoints/last.ckpt")
        tables.append(folder / "predictions.parquet")
    out = runs / f"mini_student/{variant}-pooled.json"
    labels = data / "labels.csv"
    type_("-m", "experiments", "score", "kvq", "--predictions", *tables, "--labels", labels, "--json", out)
    return json.loads(out.read_text(encoding="utf-8"))


def interval_of(tables: list[Path], labels: Path) -> tuple[float, float]:
    """95 % interval of the pooled SROCC, by content."""
    from metrics.bootstrap import ContentBootstrap, interval
    from records.labels import read_labels
    from records.predictions import read_predictions

    said = {row.id: row.prediction for table in tables for row in read_predictions(table)}
    rows = read_labels(labels)
    draws = ContentBootstrap([row.score for row in rows], [row.content for row in rows])
    reach = interval(draws.scores([said[row.id] for row in rows])["srocc"])
    assert reach is not None
    return reach


def main() -> None:
    """Print the table and, as the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data/mini-kvq"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from experiments.mini_kvq.baseline import out_of_fold_ridge

    type_("-m", "experiments", "prepare", "mini-kvq", "--root", args.root)
    trained = pooled(TRAINED, "accuracy", args.root, args.runs)
    untrained = pooled(UNTRAINED, "untrained", args.root, args.runs)
    tables = [args.runs / f"mini_student/accuracy-fold{fold}-seed0/predictions.parquet" for fold in range(FOLDS)]
    low, high = interval_of(tables, args.root / "labels.csv")
    ridge = out_of_fold_ridge(args.root)
    print(f"student    SROCC {trained['srocc']:.3f} ({low:.3f} to {high:.3f})  PLCC {trained['plcc']:.3f}")
    print(f"untrained  SROCC {untrained['srocc']:.3f}  PLCC {untrained['plcc']:.3f}")
    print(f"ridge      {json.dumps(ridge)}")
    figures = {"srocc": trained["srocc"], "low": low, "high": high, "untrained": untrained["srocc"], "ridge": ridge}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
