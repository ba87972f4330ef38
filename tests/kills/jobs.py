"""Every command that survives kills, at smallest settings; one more is one more entry in ``FITS`` or ``STAGES``."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from records.files import read_json, read_lines
from tests.command import ROOT, TINY, train
from tests.datamodules.stored_candidates import write_stored_candidates
from tests.experiments.enhance_checkpoints import diffusion_checkpoint
from tests.kills.harness import Job
from tests.kills.outcomes import checkpoints, columns, fit_outcome, pictures, tree
from tests.tiny_kvq import make_tiny_kvq
from tests.tiny_kwaisr import write_tiny_kwaisr

TRAIN, COMMANDS = str(ROOT / "train.py"), ("-m", "experiments")
TWO = ("--trainer.devices", "2", "--trainer.strategy", "ddp")
RECIPES = ROOT / "configs/exp/kwaisr"
# An odd number of batches an epoch, two or three of them a step: a stop is seldom at a step of the optimiser.
BATCHES = ("--data.init_args.batch_size", "4", "--trainer.accumulate_grad_batches", "2", "--trainer.max_epochs", "3")


def linked(workplace: Path, *names: str) -> Callable[[Path], None]:
    """What a trial reads is made once and seen from its folder under the same relative name."""

    def link(folder: Path) -> None:
        for name in names:
            (folder / name).symlink_to(workplace / name)

    return link


def once(path: Path, make: Callable[[], object]) -> None:
    if not path.exists():
        make()


def student(workplace: Path, *more: str, config: Path = TINY, name: str = "tiny_student", **variables: str) -> Job:
    """A fit of the tiny student, with whatever words make it another."""
    once(workplace / "data", lambda: make_tiny_kvq(workplace / "data", 12, val=2, test=2, width=160, height=120))
    run = f"runs/{name}/base-seed0"
    return Job(
        words=(TRAIN, "fit", "--config", str(config), *BATCHES, *more),
        prepare=linked(workplace, "data"),
        grown=lambda folder: steps(folder / run),
        outcome=lambda folder: fit_outcome(folder / run),
        attacks=("kill", "usr1", "main", "term group", "int"),
        check=lambda folder: checkpoints(folder / run),
        variables=variables,
    )


def student_on_two_ranks(workplace: Path) -> Job:
    job = student(workplace, *TWO, "--data.init_args.num_workers", "2")
    return Job(**{**vars(job), "attacks": ("rank", "term", "main", "usr1", "kill")})


def student_with_pool(workplace: Path, *more: str) -> Job:
    """Labelled and pseudo-labelled clips in one batch, a memory of recent scores, averaged weights."""
    import numpy as np

    from records.pseudo_labels import write_pseudo_labels

    def pool() -> None:
        make_tiny_kvq(workplace / "extra", 3, seed=9)
        ids = [f"train/{number:04d}.mp4" for number in range(1, 22)]
        scores, spreads = np.linspace(1, 4, 21, dtype=np.float32), np.full(21, np.nan, dtype=np.float32)
        header = {"teacher": ["0" * 64], "transductive": False}
        contents = [f"p{place // 7}" for place in range(21)]
        write_pseudo_labels(workplace / "pool.parquet", ids, scores, spreads, contents, header)

    once(workplace / "pool.parquet", pool)
    config = TINY.with_name("tiny_distilled.yaml")
    job = student(workplace, "--data.init_args.num_workers", "2", *more, config=config, name="tiny_distilled")
    return Job(**{**vars(job), "prepare": linked(workplace, "data", "extra", "pool.parquet")})


def pixel_stage(workplace: Path) -> Job:
    """Stage 1 of the diffusion; the ends of its epochs fall between two steps."""
    return _pictures(workplace, "taco_pixel", ("--trainer.accumulate_grad_batches", "3"), "diffusion.yaml")


def fusion(workplace: Path) -> Job:
    more = ("--model.init_args.network.init_args.preset", "S", "--trainer.accumulate_grad_batches", "2")
    return _pictures(workplace, "nafusion", more, "fusion.yaml")


def _pictures(workplace: Path, recipe: str, more: tuple[str, ...], layer: str) -> Job:
    once(workplace / "pictures", lambda: _images(workplace))
    run = f"runs/{recipe}/base-seed0"
    return Job(
        words=(TRAIN, "fit", "--config", str(RECIPES / f"{recipe}.yaml"), "--config", layer, *more),
        prepare=linked(workplace, "pictures", "stored", layer),
        grown=lambda folder: steps(folder / run),
        outcome=lambda folder: fit_outcome(folder / run) | tree(folder / run, "adapters/*"),
        attacks=("term", "kill", "usr1"),
        check=lambda folder: checkpoints(folder / run),
    )


def _images(workplace: Path) -> None:
    """Tiny pairs, stored candidates of them, and what makes the recipes small."""
    write_stored_candidates(workplace / "stored", write_tiny_kwaisr(workplace / "pictures", train=5, size=48), "maker")
    trainer = {"accelerator": "cpu", "devices": 1, "precision": "32-true", "max_steps": -1, "max_epochs": 3}
    common = {"trainer": {**trainer, "log_every_n_steps": 1}, "wandb": {"mode": "disabled"}, "ema": {"decay": 0.7}}
    base = {"init_args": {"pretrained": None, "dtype": "float32", "checkpointing": False}}
    reading = {"batch_size": 1, "crop": 32, "num_workers": 2}
    stored = {"truth": "pictures", "roots": ["stored"], "eval_domains": ["synthetic", "wild"]}
    layers = {
        "diffusion": ({"root": "pictures", **reading}, {"network": {"init_args": {"backbone": base}}}),
        "fusion": ({**stored, **reading}, {"perceptual": None}),
    }
    for name, (data, model) in layers.items():
        layer = {**common, "data": {"init_args": data}, "model": {"init_args": model}}
        (workplace / f"{name}.yaml").write_text(yaml.safe_dump(layer))


def features(workplace: Path) -> Job:
    """Rows of an expert, by two ranks."""
    once(workplace / "data", lambda: make_tiny_kvq(workplace / "data", 12, val=2, test=2, width=160, height=120))
    bank = "--model.init_args.bank=features"
    return Job(
        words=(TRAIN, "predict", "--config", str(TINY.with_name("tiny_expert.yaml")), bank, *TWO),
        prepare=linked(workplace, "data"),
        grown=lambda folder: sum(path.read_bytes().count(1) for path in (folder / "features/tiny").glob("done-*")),
        outcome=lambda folder: tree(folder / "features", "tiny/rows*", "tiny/ids*", "tiny/header.json"),
        attacks=("rank", "kill", "term", "main"),
    )


def pseudo_labels(workplace: Path) -> Job:
    """Labels of a pool by two members, on two ranks; one clip a batch, which the last bits of a score depend on."""
    _teacher(workplace)
    once(workplace / "pool", lambda: make_tiny_kvq(workplace / "pool", 9, seed=1))
    given = {
        "run.experiment": "labels",
        "model.init_args.members": "[teacher/best.ckpt,teacher/last.ckpt]",
        "data.init_args.predict_paths": "[pool]",
        "data.init_args.eval_batch_size": "1",
        "trainer.callbacks.filters.copies": "false",
    }
    layers = ("--config", str(TINY.with_name("tiny_teacher.yaml")), "--config")
    table = "runs/labels/base-seed0/pseudo_labels"
    return Job(
        words=(
            *(TRAIN, "predict", *layers, str(ROOT / "configs/trainer/pseudo_labels.yaml")),
            *(f"--{key}={value}" for key, value in given.items()),
            *TWO,
        ),
        prepare=linked(workplace, "data", "pool", "teacher"),
        grown=lambda folder: len(labelled(folder / f"{table}.parts")),
        outcome=lambda folder: {
            # Text, since no number is equal to nan.
            **{name: repr(values) for name, values in columns(folder / f"{table}.parquet").items()},
            # Every clip was asked once.
            "asked": sorted(labelled(folder / f"{table}.parts")),
            **tree((folder / table).parent, "*.csv"),
        },
        attacks=("rank", "term", "kill", "main"),
    )


def predictions(workplace: Path) -> Job:
    """The plain table of scores, on two ranks."""
    _teacher(workplace)
    once(workplace / "pool", lambda: make_tiny_kvq(workplace / "pool", 9, seed=1))
    words = ("--run.experiment=scores", "--data.init_args.predict_paths=[pool]", "--data.init_args.eval_batch_size=1")
    run = "runs/scores/base-seed0"
    return Job(
        words=(
            *(TRAIN, "predict", "--config", str(TINY.with_name("tiny_teacher.yaml")), *words, *TWO),
            *("--ckpt_path", "teacher/best.ckpt"),
        ),
        prepare=linked(workplace, "data", "pool", "teacher"),
        grown=lambda folder: scored(folder / run),
        outcome=lambda folder: {k: repr(v) for k, v in columns(folder / run / "predictions.parquet").items()},
        attacks=("term", "rank", "kill"),
    )


def scored(run: Path) -> int:
    """Clips with a score on disk, in the parts or, once they are merged, in the table."""
    table = run / "predictions.parquet"
    return len(labelled(run / "predictions.parts")) or (63 if table.exists() else 0)


def labelled(parts: Path) -> list[str]:
    """Ids of every label on disk."""
    return [row[0] for part in parts.glob("part-*.jsonl") for row in read_lines(part) if isinstance(row, list)]


def candidates(workplace: Path) -> Job:
    root = "runs/taco_semantic/base-seed0/candidates"
    return Job(
        words=(*_restoring(workplace), "--config", str(ROOT / "configs/trainer/candidates.yaml")),
        prepare=linked(workplace, "more", "semantic.ckpt", "candidates.yaml"),
        grown=lambda folder: len(pictures(folder / root)),
        outcome=lambda folder: {
            **tree(folder / root, "**/*.png"),
            "listed": read_json(folder / root / "candidates.json")["images"],
            "folders": sorted(path.name for path in (folder / root).iterdir()),
        },
    )


def restored_images(workplace: Path) -> Job:
    """The pictures of a prediction, by two ranks."""
    root = "runs/taco_semantic/base-seed0/restored"
    return Job(
        words=(*_restoring(workplace), *TWO),
        prepare=linked(workplace, "more", "semantic.ckpt", "candidates.yaml"),
        grown=lambda folder: len(pictures(folder / root)),
        outcome=lambda folder: {
            **tree(folder / root, "**/*.png"),
            # Every picture was made once.
            "made": sorted(row["id"] for file in (folder / root).glob(".journal-*") for row in read_lines(file)),
        },
        attacks=("rank", "kill", "term", "main"),
    )


def _restoring(workplace: Path) -> tuple[str, ...]:
    """Prediction by the diffusion's second stage."""
    once(workplace / "more", lambda: _more_images(workplace))
    layers = ("--config", str(RECIPES / "taco_semantic.yaml"), "--config", "candidates.yaml")
    return (TRAIN, "predict", *layers, "--data.init_args.predict_split", "all", "--ckpt_path", "semantic.ckpt")


def enhance(workplace: Path) -> Job:
    once(workplace / "more", lambda: _more_images(workplace))

    def listed(folder: Path) -> list[dict[str, Any]]:
        told = ("id", "size", "tiles", "error")
        return [{name: row[name] for name in told} for row in read_json(folder / "out/manifest.json")["images"]]

    return Job(
        words=(*COMMANDS, "enhance", "more", "--checkpoint", "semantic.ckpt", "--out", "out"),
        prepare=linked(workplace, "more", "semantic.ckpt"),
        grown=lambda folder: len(pictures(folder / "out")),
        outcome=lambda folder: {**tree(folder / "out", "**/*.png"), "listed": listed(folder)},
    )


def _more_images(workplace: Path) -> None:
    write_tiny_kwaisr(workplace / "more", train=8, val=4, test=4, wild=4, size=64)
    import lightning
    import torch

    path = workplace / "semantic.ckpt"
    diffusion_checkpoint(path)
    checkpoint = torch.load(path, weights_only=True)
    torch.save({**checkpoint, "pytorch-lightning_version": lightning.__version__, "callbacks": {}}, path)
    base = {"init_args": {"pretrained": None, "dtype": "float32", "checkpointing": False}}
    network = {"backbone": base, "rank_pixel": 2, "rank_semantic": 3, "alpha_pixel": None, "alpha_semantic": None}
    model = {"network": {"init_args": network}, "init_from": None, "perceptual": None, "csd": 0.5}
    layer = {
        "trainer": {"accelerator": "cpu", "devices": 1, "precision": "32-true"},
        "data": {"init_args": {"root": "more", "num_workers": 0, "crop": 32}},
        "model": {"init_args": model},
    }
    (workplace / "candidates.yaml").write_text(yaml.safe_dump(layer))


def assess(workplace: Path) -> Job:
    _teacher(workplace)
    once(workplace / "pool", lambda: make_tiny_kvq(workplace / "pool", 9, seed=1))

    def scores(folder: Path) -> list[list[str]]:
        rows = [line.split(",") for line in (folder / "scores.csv").read_text().splitlines()]
        return [row[:3] + row[4:] for row in rows]  # without the seconds

    return Job(
        words=(*COMMANDS, "assess", "pool", "--checkpoint", "teacher/best.ckpt", "--out", "scores.csv"),
        prepare=linked(workplace, "pool", "teacher"),
        grown=lambda folder: len(read_lines(folder / ".scores.csv.journal.jsonl")),
        outcome=lambda folder: {
            "table": scores(folder),
            "asked": sorted(row["id"] for row in read_lines(folder / ".scores.csv.journal.jsonl")),
        },
    )


def _teacher(workplace: Path) -> None:
    """A trained teacher, in ``teacher``."""
    once(workplace / "data", lambda: make_tiny_kvq(workplace / "data", 12, val=2, test=2, width=160, height=120))
    if not (workplace / "teacher").exists():
        config = TINY.with_name("tiny_teacher.yaml")
        done = train("fit", "--config", config, "--trainer.max_epochs", "2", cwd=workplace)
        assert done.returncode == 0, done.stderr
        (workplace / "runs/tiny_teacher/base-seed0/checkpoints").rename(workplace / "teacher")


def mini_kvq(workplace: Path) -> Job:
    words = ("--contents", "4", "--seconds", "0.5", "--jobs", "2")
    return Job(
        words=(*COMMANDS, "prepare", "mini-kvq", "--root", "set", *words),
        prepare=lambda folder: None,
        grown=lambda folder: len([*(folder / "set").glob("*/[!.]*.mp4")]),
        outcome=lambda folder: tree(folder / "set", "**/*"),
        attacks=("main", "term", "kill"),
    )


def mini_kwaisr(workplace: Path) -> Job:
    return Job(
        words=(*COMMANDS, "prepare", "mini-kwaisr", "--root", "set", "--photos", "1"),
        prepare=lambda folder: None,
        grown=lambda folder: len(pictures(folder / "set")),
        outcome=lambda folder: tree(folder / "set", "**/*"),
        attacks=("main", "term", "kill"),
    )


def ladder(workplace: Path) -> Job:
    once(workplace / "clips", lambda: make_tiny_kvq(workplace / "clips", 1, width=320, height=240, frames=60))
    return Job(
        words=(*COMMANDS, "prepare", "ladder", "--root", "set", "--from", "clips"),
        prepare=linked(workplace, "clips"),
        grown=lambda folder: len([*(folder / "set/clips").glob("[!.]*")]),
        outcome=lambda folder: tree(folder / "set", "**/*"),
        attacks=("main", "term"),
    )


def tiny_base(workplace: Path) -> Job:
    from tests.experiments.test_tiny_base import photographs

    once(workplace / "photographs", lambda: photographs(workplace / "photographs"))
    few = ("--crops", "8", "--vae-steps", "20", "--unet-steps", "20")
    return Job(
        words=(*COMMANDS, "prepare", "tiny-base", "--root", "base", "--data", "photographs", *few),
        prepare=linked(workplace, "photographs"),
        grown=lambda folder: len([path for path in (folder / "base").rglob("*") if path.is_file()]),
        outcome=lambda folder: tree(folder / "base", "**/*"),
    )


def sweep(workplace: Path) -> Job:
    """Trials of a stand-in, two at a time, on a grid: which trial is which does not depend on when it is started."""
    program = ROOT / "tests/experiments/search/program.py"
    told = {
        "program": "program.py",
        "method": "grid",
        "metric": {"name": "val/final_score", "goal": "maximize"},
        "parameters": {"rate": {"values": [0.1, 0.2, 0.3, 0.45, 0.7, 0.9]}, "pause": {"value": 0.4}},
    }

    def prepare(folder: Path) -> None:
        (folder / "program.py").symlink_to(program)
        (folder / "s.yaml").write_text(yaml.safe_dump(told))

    def outcome(folder: Path) -> dict[str, Any]:
        with (folder / "sweeps/s/trials.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        found = {row["rate"]: (row["state"], row["val/final_score"], row["rank"]) for row in rows}
        lines = {row["rate"]: len(read_lines(folder / "runs" / row["run"] / "metrics.jsonl")) for row in rows}
        return {"trials": len(rows), **found, **{f"lines of {rate}": count for rate, count in lines.items()}}

    return Job(
        words=(*COMMANDS, "sweep", "s.yaml", "--jobs", "2"),
        prepare=prepare,
        grown=lambda folder: sum(len(read_lines(log)) for log in folder.glob("runs/*/*/metrics.jsonl")),
        outcome=outcome,
        attacks=("kill", "main", "term"),
    )


def study(workplace: Path) -> Job:
    """Jobs that take a while, over a matrix."""
    run = ["sh", "-c", "sleep 1; echo ${letter}${seed} > made-${letter}${seed}.txt"]
    told = {
        "axes": {"letter": ["a", "b", "c"], "seed": [0, 1]},
        "stages": {
            "make": {"over": ["letter", "seed"], "run": run},
            "join": {"needs": "make", "run": ["sh", "-c", "cat made-*.txt > ${study}/table.md"]},
        },
        "report": "table.md",
    }

    def outcome(folder: Path) -> dict[str, Any]:
        done = sorted(path.name for path in (folder / "studies/s/done").glob("*.json"))
        return {"done": done, "table": (folder / "studies/s/table.md").read_text()}

    return Job(
        words=(*COMMANDS, "study", "s.yaml"),
        prepare=lambda folder: (folder / "s.yaml").write_text(yaml.safe_dump(told, sort_keys=False)),
        grown=lambda folder: len([*(folder / "studies/s/done").glob("*.json")]),
        outcome=outcome,
        attacks=("kill", "main", "term"),
    )


def steps(run: Path) -> int:
    """Training steps that the record tells of, repeated ones too."""
    record = run / "metrics.jsonl"
    return record.read_bytes().count(b"train/loss") if record.exists() else 0


# Kills of each; on two quiet cores each costs as long as the command takes to start.
FITS: dict[str, tuple[Callable[[Path], Job], int]] = {
    "fit of a student on two ranks": (student_on_two_ranks, 4),
    "fit of a student with a pool": (student_with_pool, 3),
    "fit of the diffusion's first stage": (pixel_stage, 2),
    "fit of the fusion": (fusion, 2),
}
STAGES: dict[str, tuple[Callable[[Path], Job], int]] = {
    "features on two ranks": (features, 2),
    "pseudo-labels on two ranks": (pseudo_labels, 3),
    "predictions on two ranks": (predictions, 2),
    "candidates": (candidates, 2),
    "restored images on two ranks": (restored_images, 3),
    "enhance": (enhance, 2),
    "assess": (assess, 2),
    "prepare mini-kvq": (mini_kvq, 2),
    "prepare mini-kwaisr": (mini_kwaisr, 2),
    "prepare ladder": (ladder, 2),
    "prepare tiny-base": (tiny_base, 2),
    "sweep": (sweep, 3),
    "study": (study, 3),
}
