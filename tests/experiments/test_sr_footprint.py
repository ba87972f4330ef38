import pytest
import torch

from experiments.sr_footprint.figures import footprint, gmacs
from experiments.sr_footprint.memory import batches_that_fit, inference_bytes, step_bytes, weight_bytes
from lightning_modules.diffusion_sr import DiffusionSR
from metrics.activation_memory import LiveBytes
from models.sr.backbone import DiffusionBackbone
from models.sr.one_step import OneStepSR

SIDE = 64


class Distance(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torch.nn.Conv2d(3, 64, 3)

    def forward(self, x, y):
        return (self.features(x) - self.features(y)).square().mean((1, 2, 3))


def model_of(**base):
    with torch.device("meta"):
        return OneStepSR(DiffusionBackbone(**base))


def test_weights_are_counted_by_their_precision_and_rank():
    exact, half = (weight_bytes(model_of(dtype=dtype), "pixel") for dtype in ("float32", "bfloat16"))
    assert exact["unet"] == 2 * half["unet"] and exact["vae"] == 2 * half["vae"]
    assert exact["adapters"] == half["adapters"] == exact["optimizer"]
    assert "optimizer" not in weight_bytes(model_of())


def test_batches_follow_from_one_and_two_pictures():
    gib = 2**30
    cards = batches_that_fit(2 * gib, lambda batch: (1 + 3 * batch) * gib, {"small": 5, "large": 20})
    assert cards == {"small": 0, "large": 5}  # 4.5 < 2 + 1 + 3; 2 + 1 + 15 <= 18


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pixel", "semantic"])
def test_what_a_step_is_said_to_take_is_what_the_training_rule_allocates(stage, monkeypatch):
    said = step_bytes(model_of(), stage, SIDE, 2, "32-true")
    task = DiffusionSR(OneStepSR(DiffusionBackbone()), stage, pixel_adapter=stage == "pixel").train()
    monkeypatch.setattr(task, "log_dict", lambda *_, **__: None)
    batch = {"id": ["a", "b"], "lr": torch.rand(2, 3, SIDE // 4, SIDE // 4), "hr": torch.rand(2, 3, SIDE, SIDE)}
    with LiveBytes() as tracker:
        loss = task.training_step(batch, 0)
    with tracker:
        loss.backward()
    assert abs(said - tracker.peak) < 0.05 * tracker.peak


@pytest.mark.slow
def test_what_saves_memory_is_seen_to_save_it():
    plain = step_bytes(model_of(), "semantic", SIDE, 2, "32-true")
    mixed = step_bytes(model_of(dtype="bfloat16"), "semantic", SIDE, 2, "bf16-mixed")
    recomputed = step_bytes(model_of(checkpointing=True), "semantic", SIDE, 2, "32-true")
    cropped = step_bytes(model_of(), "semantic", SIDE, 2, "32-true", decode_crop=4)
    judged = step_bytes(model_of(), "semantic", SIDE, 2, "32-true", perceptual=Distance())
    # Norms stay in single precision, and a tiny network is mostly norms.
    assert max(recomputed, cropped) < 0.6 * plain and mixed < 0.9 * plain < plain < judged


@pytest.mark.slow
def test_the_dict_is_plain_and_inference_grows_with_the_picture():
    import json

    told = footprint(model_of(dtype="bfloat16"), side=SIDE)
    assert json.loads(json.dumps(told)) == told
    assert told["measured_on_gpu"] is False
    assert told["training"]["total_gib"] > sum(told["weights_gib"].values())
    small, large = (inference_bytes(model_of(), side) for side in (SIDE, 2 * SIDE))
    assert all(3 < large[part] / small[part] < 5 for part in small)
    assert 3.9 < gmacs(model_of(), 2 * SIDE)["vae_decoder"] / gmacs(model_of(), SIDE)["vae_decoder"] < 4.5
