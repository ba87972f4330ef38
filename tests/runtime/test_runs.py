"""Whole runs through `train.py`: start, finish, evaluate, restart, dry run, refusals."""

import json
from pathlib import Path

import pytest
import torch
import yaml

from records.predictions import read_predictions
from tests.command import TINY, experiments, train
from tests.tiny_kvq import make_tiny_kvq

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    make_tiny_kvq(folder / "data", 4, val=2, test=2)
    done = train("fit", "--config", TINY, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def run(workplace: Path) -> Path:
    return workplace / "runs/tiny_student/base-seed0"


def test_a_run_leaves_its_record(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert {
        "config.yaml",
        "metrics.jsonl",
        "summary.json",
        "status.json",
        "predictions.parquet",
        "checkpoints",
    } <= names
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt", "older.ckpt"}
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["score_name"] == "(SROCC + PLCC) / 2"
    assert summary["val"]["n"] == 14 and summary["gmacs"] > 0
    assert (run.parents[1] / "index.html").read_text().count("tiny_student/base-seed0") >= 1


def test_the_record_agrees_with_the_predictions(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = max(row["val/final_score"] for row in rows if "val/final_score" in row)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["val"]["score"] == pytest.approx(best, abs=1e-6)


def test_the_saved_config_starts_the_same_run(workplace: Path, run: Path) -> None:
    again = train("fit", "--config", run / "config.yaml", cwd=workplace)
    assert again.returncode == 0 and "nothing to do" in again.stdout, again.stdout + again.stderr
    assert not yaml.safe_load((run / "config.yaml").read_text()).get("base")


def test_checkpoints_load_without_unpickling_code(run: Path) -> None:
    for path in (run / "checkpoints").iterdir():
        checkpoint = torch.load(path, weights_only=True)
        assert checkpoint["sugc"]["views"]["frames"]["class_path"].endswith("KeyFrames")
        assert len(checkpoint["sugc"]["train_scores"]) == 28


def test_the_same_command_has_nothing_to_do(workplace: Path) -> None:
    again = train("fit", "--config", TINY, cwd=workplace)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout and "--restart" in again.stdout


def test_validate_and_test_score_the_best_checkpoint(workplace: Path, run: Path) -> None:
    before = {row.id: row.prediction for row in read_predictions(run / "predictions.parquet") if row.split == "val"}
    for command in ("validate", "test"):
        done = train(command, "--config", TINY, cwd=workplace)
        assert done.returncode == 0, done.stderr
        assert "95 % interval" in done.stdout
    rows = read_predictions(run / "predictions.parquet")
    after = {row.id: row.prediction for row in rows if row.split == "val"}
    assert after == pytest.approx(before, abs=1e-6)
    assert {row.split for row in rows} == {"val", "test"}
    assert json.loads((run / "status.json").read_text())["state"] == "finished"


def test_predict_writes_unlabelled_videos(workplace: Path, run: Path) -> None:
    words = ("--data.init_args.predict_paths", "[data/test]")
    done = train("predict", "--config", TINY, *words, cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert sum(row.split == "predict" for row in read_predictions(run / "predictions.parquet")) == 14


def test_a_changed_key_is_refused_by_name_and_restart_moves_the_run_aside(workplace: Path) -> None:
    name = ("--run.variant", "again", "--trainer.max_epochs", "1")
    assert train("fit", "--config", TINY, *name, cwd=workplace).returncode == 0
    changed = train("fit", "--config", TINY, *name, "--model.init_args.head_lr", "2", cwd=workplace)
    assert changed.returncode == 2
    assert "model.init_args.head_lr" in changed.stderr and len(changed.stderr.strip().splitlines()) == 1
    fresh = train("fit", "--config", TINY, *name, "--model.init_args.head_lr", "2", "--restart", cwd=workplace)
    assert fresh.returncode == 0, fresh.stderr
    folders = {path.name.partition(".old-")[0] for path in (workplace / "runs/tiny_student").glob("again-seed0*")}
    assert folders == {"again-seed0"}
    assert len(list((workplace / "runs/tiny_student").glob("again-seed0*"))) == 2


def test_more_epochs_go_on_with_the_run(workplace: Path) -> None:
    name = ("--run.variant", "longer")
    assert train("fit", "--config", TINY, *name, "--trainer.max_epochs", "1", cwd=workplace).returncode == 0
    longer = train("fit", "--config", TINY, *name, "--trainer.max_epochs", "2", cwd=workplace)
    assert longer.returncode == 0 and "going on from" in longer.stdout
    assert "epoch 2/2" in longer.stdout and "epoch 1/2" not in longer.stdout


def test_dry_run_forecasts_and_leaves_nothing(workplace: Path) -> None:
    before = sorted(workplace.rglob("*"))
    done = train("fit", "--config", TINY, "--run.variant", "dry", "--dry_run", cwd=workplace)
    assert done.returncode == 0, done.stderr
    for word in ("one epoch", "whole run", "bound by", "peak memory", "disk", "GMACs"):
        assert word in done.stdout, word
    assert sorted(workplace.rglob("*")) == before


def test_a_run_over_budget_stops_before_its_first_batch(workplace: Path) -> None:
    over = train("fit", "--config", TINY, "--run.variant", "over", "--budget.max_gmacs", "0.0001", cwd=workplace)
    assert over.returncode == 1
    assert "GMACs" in over.stderr and "budget" in over.stderr
    assert not (workplace / "runs/tiny_student/over-seed0/checkpoints").exists()


def test_evaluation_without_a_checkpoint_says_what_to_do(workplace: Path) -> None:
    none = train("test", "--config", TINY, "--run.variant", "never", cwd=workplace)
    assert none.returncode == 2 and "fit" in none.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model.init_args.head_lrr", "3"], "did you mean 'head_lr'?"),
        (["--data.init_args.views.frames.init_args.siz", "3"], "did you mean 'size'?"),
        (["--data.init_args.batch_size", "many"], "data.init_args.batch_size"),
        (["--run.varant", "x"], "did you mean 'run.variant'?"),
        (["--data.init_args.root", "nowhere"], "nowhere"),
        (["--data.init_args.views.frames.init_args.size", "0"], "size must be at least 1"),
    ],
)
def test_wrong_words_exit_2_with_one_sentence(workplace: Path, words: list[str], told: str) -> None:
    done = train("fit", "--config", TINY, "--run.variant", "wrong", *words, cwd=workplace)
    assert done.returncode == 2
    assert told in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_assess_scores_files_with_the_checkpoint_alone(workplace: Path, run: Path) -> None:
    (workplace / "broken.mp4").write_bytes(b"no video")
    checkpoint = run / "checkpoints/best.ckpt"
    words = ["assess", "data/test", "broken.mp4", "--checkpoint", checkpoint, "--out"]
    first = experiments(*words, "one.csv", "--workers", "0", cwd=workplace)
    assert first.returncode == 1, first.stderr
    second = experiments("assess", "broken.mp4", "data/test", *words[3:], "two.csv", "--workers", "2", cwd=workplace)
    assert second.returncode == 1, second.stderr

    def scores(name: str) -> dict[str, str]:
        lines = (workplace / name).read_text().splitlines()
        assert lines[0] == "id,score,percentile,seconds,error"
        return {line.split(",")[0]: line.split(",")[1] for line in lines[1:]}

    assert scores("one.csv") == scores("two.csv")
    assert scores("one.csv")["broken.mp4"] == "" and len(scores("one.csv")) == 15
    again = experiments(*words, "one.csv", cwd=workplace)
    assert "14 of 15 were scored before" in again.stdout
