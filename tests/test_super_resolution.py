"""From photographs to a packed submission, every step by the command a user types, at the smallest settings."""

import json
from pathlib import Path

import pytest

from records.image_scores import read_image_scores
from records.images import find_images, image_size
from tests.command import ROOT, experiments, train
from tests.tiny_kwaisr import write_tiny_kwaisr

EXP = ROOT / "configs/exp/kwaisr"
SMALL = ("--trainer.max_epochs", 1, "--trainer.check_val_every_n_epoch", 1, "--wandb.mode", "disabled")
FEW = ("--data.init_args.epoch_size", 8, "--data.init_args.batch_size", 4, "--data.init_args.num_workers", 0)
ON_DATA = ("--data.init_args.root", "data", "--data.init_args.hr_folders", "[]")


def done(result):
    assert result.returncode == 0, result.stdout[-1000:] + result.stderr[-3000:]
    return result.stdout


def best(name: str) -> str:
    return f"runs/mini_{name}/base-seed0/checkpoints/best.ckpt"


@pytest.mark.slow
def test_from_photographs_to_a_submission(tmp_path: Path) -> None:
    write_tiny_kwaisr(tmp_path / "data", train=3, val=2, test=2, wild=1)
    pixel = ("--config", EXP / "mini_pixel.yaml", *SMALL, *FEW, *ON_DATA)
    semantic = ("--config", EXP / "mini_semantic.yaml", *SMALL, *FEW, *ON_DATA)
    told = done(train("fit", *pixel, cwd=tmp_path))
    assert "val psnr" in told and "python train.py test" in told
    told = done(train("test", *pixel, cwd=tmp_path))
    assert "test psnr" in told and "experiments enhance" in told
    rows = read_image_scores(tmp_path / "runs/mini_pixel/base-seed0/image_scores.parquet")
    assert {(row.split, row.id.partition("/")[0]) for row in rows} == {("val", "val"), ("test", "test")}
    summary = json.loads((tmp_path / "runs/mini_pixel/base-seed0/summary.json").read_text())
    assert summary["score_name"] == "psnr" and summary["test"]["n"] == 2

    # Stage 2 stands on stage 1 and on nothing else.
    refused = train("fit", *semantic, "--model.init_args.init_from", best("absent"), cwd=tmp_path)
    assert refused.returncode == 2 and "init_from" in refused.stderr and "Traceback" not in refused.stderr
    done(train("fit", *semantic, cwd=tmp_path))
    wrong = train("test", *pixel, "--ckpt_path", best("semantic"), cwd=tmp_path)
    assert wrong.returncode == 2 and "stage" in wrong.stderr

    layer = ("--config", ROOT / "configs/trainer/candidates.yaml", "--data.init_args.predict_split", "all")
    done(train("predict", *semantic[:2], *layer, *semantic[2:], cwd=tmp_path))
    made = find_images(tmp_path / "runs/mini_semantic/base-seed0/candidates")
    assert len(made) == 2 * (3 + 2 + 2 + 3)  # pairs and wild images of every split, twice
    fusion = ("--config", EXP / "mini_nafusion.yaml", *SMALL, *FEW, "--data.init_args.truth", "data")
    fusion += ("--data.init_args.crop", 32)
    done(train("fit", *fusion, cwd=tmp_path))
    assert "test l1" in done(train("test", *fusion, cwd=tmp_path))

    for domain, folder, scale in (("synthetic", "synthetic/lr", 4), ("wild", "wild", 1)):
        words = ("--checkpoint", best("semantic"), "--fusion", best("nafusion"), "--scale", scale)
        done(experiments("enhance", f"data/test/{folder}", *words, "--out", f"out/{domain}", cwd=tmp_path))
        for path in find_images(tmp_path / "data/test" / folder):
            height, width = image_size(path)
            assert image_size(tmp_path / "out" / domain / path.name) == (scale * height, scale * width)
    words = ("--submission", "out", "--truth", "data/test", "--json", "score.json", "--pack", "packed")
    done(experiments("score", "kwaisr", *words, "--metrics", "psnr", "ssim", "piqe", cwd=tmp_path))
    score = json.loads((tmp_path / "score.json").read_text())
    assert "score" not in score and score["psnr"] > 5 and "lpips" in score["missing"]
    assert len(find_images(tmp_path / "packed")) == 3
