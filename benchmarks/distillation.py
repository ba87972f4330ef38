"""What a pool of pseudo-labels gains or loses the mini student: the documented pipeline, seed by seed.

Teacher, features, pseudo-labels, then the student with and without the pool, every step by the command a user types;
finished steps are not repeated. The change is judged on clips of sources that no run has seen (test) and on those that
chose the best epochs (val), with an interval over sources.
`python benchmarks/distillation.py [--root data/mini-kvq] [--runs runs] [--seeds 3]`
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXP, ABLATION = ROOT / "configs/exp/kvq", ROOT / "configs/ablation"
WITH, WITHOUT = "base", "mini_distilled_no_pool"
MEMBERS = 3
SPLITS = {"val": ("val",), "test": ("test",), "both": ("val", "test")}


def type_(*words: object) -> None:
    """Run one command of the project, its output on ours."""
    subprocess.run([sys.executable, *map(str, words)], check=True)


def pipeline(data: Path, runs: Path, seeds: int) -> None:
    """All commands, from the data set to the tested students."""
    common = ["--data.init_args.root", data, "--run.root", runs, "--wandb.mode", "disabled"]
    train, teacher = ROOT / "train.py", EXP / "mini_teacher.yaml"
    type_("-m", "experiments", "prepare", "mini-kvq", "--root", data)
    every = ["--data.init_args.predict_paths", f"[{data}]"]
    type_(train, "predict", "--config", EXP / "features/lite0.yaml", *common, *every)
    for seed in range(MEMBERS):
        type_(train, "fit", "--config", teacher, *common, "--seed_everything", seed)
    members = ",".join(str(runs / f"mini_teacher/base-seed{seed}/checkpoints/best.ckpt") for seed in range(MEMBERS))
    together = ["--run.variant", "ensemble", "--model.init_args.members", f"[{members}]"]
    for command in ("validate", "test"):
        type_(train, command, "--config", teacher, *common, *together)
    layer = ["--config", ROOT / "configs/trainer/pseudo_labels.yaml"]
    unlabelled = ["--data.init_args.predict_paths", f"[{data / 'unlabelled.csv'}]"]
    type_(train, "predict", "--config", teacher, *layer, *common, *together, *unlabelled)
    labels = ["--data.init_args.pool.labels", runs / "mini_teacher/ensemble-seed0/pseudo_labels.parquet"]
    for seed in range(seeds):
        for config, more in ((ABLATION / f"{WITHOUT}.yaml", []), (EXP / "mini_distilled.yaml", labels)):
            for command in ("fit", "test"):
                type_(train, command, "--config", config, *common, *more, "--seed_everything", seed)


def judged(data: Path, runs: Path, seeds: int, splits: tuple[str, ...]) -> dict:
    """SROCC of teacher and students on some splits, and the mean change over seeds with its interval by source."""
    from metrics.bootstrap import ContentBootstrap, interval
    from records.labels import read_labels
    from records.predictions import read_predictions

    labels = [label for label in read_labels(data / "labels.csv") if label.split in splits]
    clips = json.loads((data / "manifest.json").read_text(encoding="utf-8"))["clips"]
    source = {id: clip["source"] for id, clip in clips.items()}
    draws = ContentBootstrap([label.score for label in labels], [source[label.id] for label in labels])

    def scores(folder: str):  # SROCC of the clips, and of each draw of sources
        rows = {row.id: row.prediction for row in read_predictions(runs / folder / "predictions.parquet")}
        said = [rows[label.id] for label in labels]
        return draws.whole(said)["srocc"], draws.scores(said)["srocc"]

    teacher, _ = scores("mini_teacher/ensemble-seed0")
    pool = [scores(f"mini_distilled/{WITH}-seed{seed}") for seed in range(seeds)]
    plain = [scores(f"mini_distilled/{WITHOUT}-seed{seed}") for seed in range(seeds)]
    changes = [ours[0] - theirs[0] for ours, theirs in zip(pool, plain, strict=True)]
    drawn = sum(ours[1] - theirs[1] for ours, theirs in zip(pool, plain, strict=True)) / seeds
    return {
        "sources": len({source[label.id] for label in labels}),
        "clips": len(labels),
        "teacher": teacher,
        "with_pool": [each[0] for each in pool],
        "without": [each[0] for each in plain],
        "change": sum(changes) / seeds,
        "interval": interval(drawn),
    }


def main() -> None:
    """Print both splits and, as the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data/mini-kvq"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    pipeline(args.root, args.runs, args.seeds)
    found = {name: judged(args.root, args.runs, args.seeds, splits) for name, splits in SPLITS.items()}
    for split, figures in found.items():
        low, high = figures["interval"] or (float("nan"), float("nan"))
        students = ", ".join(f"{value:.3f}" for value in figures["with_pool"])
        plain = ", ".join(f"{value:.3f}" for value in figures["without"])
        print(f"{split}: {figures['clips']} clips of {figures['sources']} sources, SROCC")
        print(f"  teacher {figures['teacher']:.3f}; with the pool {students}; without {plain}")
        print(f"  change {figures['change']:+.3f}, 95 % interval over sources {low:+.3f} to {high:+.3f}")
    best = sum(found["val"]["without"]) / args.seeds
    if found["val"]["teacher"] <= best:
        print(
            f"The premise failed: on validation the teacher is no better than the student without a pool ({best:.3f})."
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
