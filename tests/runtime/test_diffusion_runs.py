"""Both stages of the diffusion through the public command: cut off and gone on with, and never mixed up."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml

from tests.command import ROOT, start, train
from tests.tiny_kwaisr import write_tiny_kwaisr

pytestmark = pytest.mark.slow
RECIPES = ROOT / "configs/exp/kwaisr"
BASE = {"init_args": {"pretrained": None, "dtype": "float32", "checkpointing": False}}
SMALL = {
    "trainer": {"accelerator": "cpu", "precision": "32-true", "max_steps": -1, "max_epochs": 1},
    "wandb": {"mode": "disabled"},
    "data": {"init_args": {"root": "data", "batch_size": 1, "crop": 32, "num_workers": 0}},
    "model": {"init_args": {"network": {"init_args": {"backbone": BASE}}}},
    "ema": {"decay": 0.7},
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diffusion")
    write_tiny_kwaisr(folder / "data", train=5, val=1, test=1, wild=1, size=48)
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return folder


def words(recipe: str, variant: str, *more: str) -> tuple[str, ...]:
    layers = ("--config", str(RECIPES / f"{recipe}.yaml"), "--config", "small.yaml")
    return (*layers, "--run.variant", variant, *more)


def test_a_killed_stage_goes_on_bit_for_bit_and_the_other_stage_is_refused(workplace: Path) -> None:
    # Three of five gradients are added up at a time, so checkpoints fall between two steps.
    more = ("--trainer.accumulate_grad_batches", "3", "--trainer.max_epochs", "3")
    done = train("fit", *words("taco_pixel", "whole", *more), cwd=workplace, timeout=900)
    assert done.returncode == 0, done.stderr
    cut = workplace / "runs/taco_pixel/cut-seed0"
    process = start("fit", *words("taco_pixel", "cut", *more), cwd=workplace)
    until = time.monotonic() + 600
    while not (cut / "checkpoints/last.ckpt").is_file() and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[0]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    done = train("fit", *words("taco_pixel", "cut", *more), cwd=workplace, timeout=900)
    assert done.returncode == 0 and "going on from" in done.stdout, done.stderr
    runs = [workplace / f"runs/taco_pixel/{variant}-seed0" for variant in ("whole", "cut")]
    whole, again = (torch.load(run / "checkpoints/last.ckpt", weights_only=True) for run in runs)
    for part in ("state_dict", "current_model_state"):
        assert whole[part].keys() == again[part].keys()
        assert all(torch.equal(value, again[part][name]) for name, value in whole[part].items())
    assert (runs[0] / "adapters/pixel.safetensors").is_file()

    first = str(runs[0] / "checkpoints/best.ckpt")
    plain = ("--model.init_args.perceptual", "null", "--model.init_args.csd", "0.5")
    second = words("taco_semantic", "second", *plain, "--model.init_args.init_from")
    wrong = train("validate", *second, first, "--ckpt_path", first, cwd=workplace)
    assert wrong.returncode == 2 and "its stage is 'pixel', not 'semantic'" in wrong.stderr
    assert len(wrong.stderr.strip().splitlines()) == 1
    done = train("fit", *second, first, cwd=workplace, timeout=900)
    assert done.returncode == 0, done.stderr
    last = workplace / "runs/taco_semantic/second-seed0/checkpoints/last.ckpt"
    wrong = train("fit", *words("taco_semantic", "third", *plain), "--model.init_args.init_from", last, cwd=workplace)
    assert wrong.returncode == 2 and "its stage is 'semantic', not 'pixel'" in wrong.stderr


def test_the_controlnet_recipes_fit_and_predict_made_small_by_overrides_alone(workplace: Path) -> None:
    tiny = '{"class_path": "models.sr.semantic_encoders.TinyEncoder"}'
    key = "--model.init_args.network.init_args.semantics"
    done = train("fit", *words("controlnet_sam2", "base", f"{key}={tiny}"), cwd=workplace, timeout=900)
    assert done.returncode == 0, done.stderr
    state = torch.load(workplace / "runs/controlnet_sam2/base-seed0/checkpoints/best.ckpt", weights_only=True)
    assert {name.split(".")[1] for name in state["state_dict"]} == {"control", "adapter"}
    absent = train("fit", *words("controlnet_sam2", "absent"), cwd=workplace)
    assert absent.returncode == 2 and "semantics.init_args.folder" in absent.stderr
