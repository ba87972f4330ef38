"""All that a run's dashboard is promised to hold is read back from offline runs that public commands made."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT, TINY, train
from tests.ranks.families import images
from tests.tiny_kvq import make_tiny_kvq

pytestmark = pytest.mark.slow
FUSION = ("--config", ROOT / "configs/exp/kwaisr/nafusion.yaml", "--config", "fusion.yaml")
RUNS = {
    "quality": ("tiny_student", ("--config", TINY, "--trainer.max_epochs", "1")),
    "images": ("nafusion", (*FUSION, "--model.init_args.network.init_args.preset", "S")),
}
GROUPS = {"quality": ("student", "val/final_score", "max"), "images": ("nafusiontask", "val/l1", "min")}
TABLES = {
    "quality": {
        "val/predictions": ["id", "prediction", "label", "error", "content"],
        "val/clips": ["shown", "frame", "id", "prediction", "label", "error", "content"],
    },
    "images": {
        "val/image_scores": ["id", "content", "domain"],
        "val/images": ["id", "input", "restored", "truth"],
    },
}


def records(part: Path) -> list[dict[str, Any]]:
    wandb = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json"]
    (log,) = part.glob("*.wandb")
    text = subprocess.run([*wandb, str(log)], capture_output=True, text=True, check=True, timeout=120).stdout
    return [json.loads(line) for line in text.splitlines()]


def of(kind: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record[kind] for record in found if record["type"] == kind]


def bytes_of(run: Path) -> int:
    """Tables and pictures of all parts of a run, in its folder and in artifacts."""
    total = 0
    for part in run.glob("wandb/offline-run-*"):
        total += sum(file.stat().st_size for file in part.glob("files/media/**/*") if file.is_file())
        for artifact in of("artifact", records(part)):
            if artifact["type"] == "run_table":
                total += sum(int(each["size"]) for each in artifact["manifest"]["contents"])
    return total


@pytest.mark.parametrize("kind", RUNS)
def test_each_item_of_a_run_reads_back(kind: str, tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", 8, val=3) if kind == "quality" else images(tmp_path)
    experiment, config = RUNS[kind]
    job_type, judged_by, better = GROUPS[kind]
    words = ("fit", *config, "--wandb.mode", "offline", "--wandb.tags", "[word]")
    place = {"WANDB_DATA_DIR": str(tmp_path)}
    done = train(*words, cwd=tmp_path, **place)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / experiment / "base-seed0"
    kept = json.loads((run / "wandb.json").read_text())
    (part,) = run.glob("wandb/offline-run-*")
    found = records(part)

    (start,) = of("run", found)
    assert (start["run_group"], start["job_type"], start["run_id"]) == (experiment, job_type, kept["id"])
    assert start["display_name"] == "base-seed0" and set(start["tags"]) == {"word", "base"}
    told = start["config"]["update"]
    assert told["model"]["class_path"].lower().endswith(job_type) and told["trainer"]["max_epochs"] == 1
    assert {"data", "git", "seed_everything", "ema"} <= set(told)
    later = {name: value for each in of("config", found) for name, value in each["update"].items()}
    summary = json.loads((run / "summary.json").read_text())
    assert later["inputs"] == summary["inputs"] and later["split_hash"] == summary["inputs"][0]["hash"]
    (metric,) = (each for each in of("metric", found) if each.get("name") == judged_by)
    assert metric["summary"] == {better: True}

    logged = {name: value for each in of("history", found) for name, value in each["item"].items()}
    assert isinstance(logged[judged_by], float)
    artifacts = of("artifact", found)
    for name, columns in TABLES[kind].items():
        table = json.loads((part / "files" / logged[f"{name}.path"]).read_text())
        assert table["columns"][: len(columns)] == columns and len(table["data"]) == logged[f"{name}.nrows"] > 0
    pictures = [
        each for artifact in artifacts for each in artifact["manifest"]["contents"] if "/images/" in each["path"]
    ]
    assert len(pictures) >= 6
    assert all(Path(each["local_path"]).stat().st_size == int(each["size"]) > 100 for each in pictures)
    panels = [file for file in part.glob("files/media/images/val/*") if file.stat().st_size > 100]
    assert len(panels) >= 3

    made = summary["outputs"]["best.ckpt"]
    (model,) = (each for each in artifacts if each["type"] == "model")
    assert model["name"] == f"checkpoint-{made[:16]}" and json.loads(model["metadata"])["sha256"] == made
    assert 0 < bytes_of(run) <= kept["media_bytes"] <= 50e6

    # Half of that is too small, in one start and in the next.
    limit = kept["media_bytes"] / 2
    small = (*words, "--run.variant", "small", "--wandb.media_mb", f"{limit / 1e6:.6f}")
    first = train(*small, cwd=tmp_path, **place)
    assert first.returncode == 0 and first.stderr.count("W&B: tables and pictures have used up") == 1, first.stderr
    again = train(*small, "--trainer.max_epochs", "3", cwd=tmp_path, **place)
    assert again.returncode == 0, again.stderr
    run = run.with_name("small-seed0")
    parts = sorted(run.glob("wandb/offline-run-*"))
    kept = json.loads((run / "wandb.json").read_text())
    assert [of("run", records(part))[0]["run_id"] for part in parts] == [kept["id"]] * 2
    assert 0 < bytes_of(run) <= kept["media_bytes"] <= limit
