import copy

import pytest
import torch

from models.sr import dual_lora
from models.sr.backbone import DiffusionBackbone
from models.sr.one_step import OneStepSR


def fill(model, size=0.15, seed=3):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for state in model.adapter_state().values():
            for weight in state.values():
                weight.copy_(size * torch.randn(weight.shape, generator=generator))
    return model


@pytest.fixture(scope="module")
def once():
    return OneStepSR(DiffusionBackbone(), rank_semantic=8).eval()


@pytest.fixture
def model(once):
    dual_lora.activate(once.backbone.unet, dual_lora.ADAPTERS)
    return fill(once)


@pytest.fixture
def z():
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def noise_of(model, z, names):
    """Through peft's public switch, without the short cuts."""
    dual_lora.activate(model.backbone.unet, names)
    text = model.backbone.prompt("positive").expand(len(z), -1, -1)
    return model.backbone.unet(z, torch.ones(len(z)), encoder_hidden_states=text).sample


@torch.no_grad()
def test_short_cuts_equal_the_formula_of_two_forwards(model, z, monkeypatch):
    alone, both = noise_of(model, z, ("pixel",)), noise_of(model, z, ("pixel", "semantic"))
    assert (both - alone).abs().mean() > 0.05
    calls, inner = [], model.backbone.noise_in
    monkeypatch.setattr(model.backbone, "noise_in", lambda *given: calls.append(1) or inner(*given))
    cases = [(1, 0, 1), (1, 1, 1), (0.5, 0, 1), (0.7, 0.7, 1), (1, 0.5, 2), (0.8, 1.5, 2), (0, 1, 2)]
    for pix, sem, forwards in cases:
        calls.clear()
        got = model.restore_latent(z, pix, sem)
        torch.testing.assert_close(got, z - (pix * alone + sem * (both - alone)), rtol=1e-5, atol=2e-6)
        assert len(calls) == forwards


@pytest.mark.parametrize("stage", [None, "pixel", "semantic"])
@torch.no_grad()
def test_results_do_not_depend_on_the_stage(model, z, stage):
    want = [model.restore_latent(z, 1, sem) for sem in (0, 1)]
    if stage:
        model.set_stage(stage)
    assert all(torch.equal(model.restore_latent(z, 1, sem), old) for sem, old in zip((0, 1), want, strict=True))


@torch.no_grad()
def test_scaling_an_adapter_is_not_the_guidance_of_detail(model, z):
    effect = (model.restore_latent(z, 1, 1) - model.restore_latent(z, 1, 0)).abs().max()
    for sem in (0.0, 1.0):
        with model.adapter_scale(semantic=sem):
            scaled = model.restore_latent(z)
        torch.testing.assert_close(scaled, model.restore_latent(z, 1, sem), rtol=1e-5, atol=2e-6)
    for sem in (0.5, 1.5):
        with model.adapter_scale(semantic=sem):
            scaled = model.restore_latent(z)
        assert (scaled - model.restore_latent(z, 1, sem)).abs().max() > 0.05 * effect
    assert {tuple(layer.scaling.values()) for layer in dual_lora.lora_layers(model.backbone.unet).values()} == {(1, 1)}


@torch.no_grad()
def test_pictures_go_in_and_come_out_in_zero_to_one_at_their_size(model):
    x = torch.rand(2, 3, 40, 72)
    y = model(x)
    assert y.shape == x.shape and y.min() >= 0 and y.max() <= 1
    latent = model.backbone.vae.encode(2 * x - 1).latent_dist.mode() * 0.18215
    decoded = model.backbone.vae.decode(model.restore_latent(latent) / 0.18215).sample
    torch.testing.assert_close(y, (decoded.clamp(-1, 1) + 1) / 2)


@torch.no_grad()
def test_each_sample_hears_its_own_prompt(model, z):
    prompts = torch.cat([model.backbone.prompt("positive"), model.backbone.prompt("empty")])
    mixed = model.restore_latent(z, prompts=prompts)
    for at, prompt in enumerate(prompts):
        torch.testing.assert_close(mixed[at], model.restore_latent(z, prompts=prompt[None])[at], rtol=1e-5, atol=1e-6)
    assert (mixed[1] - model.restore_latent(z)[1]).abs().max() > 1e-4
    torch.testing.assert_close(mixed[0], model.restore_latent(z)[0], rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_the_teacher_is_the_base(model, z):
    plain, t = DiffusionBackbone(), torch.tensor([20, 499])
    model.set_stage("semantic")
    for prompt in ("negative", plain.prompt("negative"), plain.prompt("negative").repeat(2, 1, 1)):
        told = plain.prompt("negative")
        assert torch.equal(model.teacher(z, t, prompt), plain.noise_in(z, t, told))
    assert not torch.equal(model.backbone.noise_in(z, t, told), plain.noise_in(z, t, told))


@pytest.mark.parametrize(("stage", "checkpointing"), [("pixel", False), ("semantic", True)])
def test_a_stage_changes_its_own_adapter_and_nothing_else(stage, checkpointing, z):
    torch.manual_seed(0)
    model = fill(OneStepSR(DiffusionBackbone(checkpointing=checkpointing))).train()
    base = model.backbone.weights_hash()
    before = copy.deepcopy(model.adapter_state())
    model.set_stage(stage)
    optimizer = torch.optim.AdamW(model.trainable().values(), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        restored = model.restore_latent(z, 1, float(stage == "semantic"))
        target = model.teacher(restored, torch.ones(2, dtype=torch.long), "negative")
        (model.decode(restored).mean() + (restored - target).square().mean()).backward()
        optimizer.step()
    for name, state in model.adapter_state().items():
        same = [torch.equal(weight, before[name][key]) for key, weight in state.items()]
        assert not any(same) if name == stage else all(same)
    model.backbone._hash = None
    assert model.backbone.weights_hash() == base


def test_recomputation_refuses_adapters_that_are_not_the_standing_ones(z):
    model = OneStepSR(DiffusionBackbone(checkpointing=True))
    model.set_stage("pixel")
    with pytest.raises(RuntimeError, match="recomputes"):
        model.restore_latent(z, 1, 1)
    with torch.no_grad():
        model.restore_latent(z, 1, 1)


def test_adapters_alone_bring_a_model_back_exactly(model, z, tmp_path):
    torch.save(model.adapter_state(), tmp_path / "adapters.pt")
    rank = sum(weight.numel() for state in model.adapter_state().values() for weight in state.values())
    assert (tmp_path / "adapters.pt").stat().st_size < 4 * rank + 150_000
    other = OneStepSR(DiffusionBackbone(), rank_semantic=8).eval()
    other.load_adapter_state(torch.load(tmp_path / "adapters.pt", weights_only=True))
    with torch.no_grad():
        assert torch.equal(other.restore_latent(z), model.restore_latent(z))
        assert torch.equal(other.restore_latent(z, 1, 0), model.restore_latent(z, 1, 0))
    with pytest.raises(ValueError, match="no adapter both"):
        other.load_adapter_state({"both": {}})


def test_what_a_checkpoint_needs_is_found_by_lora_in_its_name(model):
    kept = {name for name in model.state_dict() if "lora_" in name}
    assert kept == {name for name, _ in model.named_parameters() if ".pixel." in name or ".semantic." in name}
    assert len(kept) == 4 * 73


def test_merged_copies_restore_alike_without_any_adapter(model, z):
    merged, x = model.merged(), torch.rand(1, 3, 24, 32)
    with torch.no_grad():
        for given in ((1, 0), (1, 1), (0.6, 1.3)):
            want = model.restore_latent(z, *given)
            torch.testing.assert_close(merged.restore_latent(z, *given), want, rtol=0, atol=1e-5)
        torch.testing.assert_close(merged(x), model(x), rtol=0, atol=1e-5)
    assert not dual_lora.lora_layers(merged)
    assert (merged.factor, merged.multiple) == (model.factor, model.multiple)


def test_merged_copies_are_cast_after_adding_up(model, z):
    exact, cast = model.merged(), model.merged("bfloat16")
    weights = dict(exact.both.unet.named_parameters())
    for name, weight in cast.both.unet.named_parameters():
        assert torch.equal(weight, weights[name].bfloat16())
    before = model.restore_latent(z).detach()
    with torch.no_grad():
        exact.both.unet.conv_in.weight.zero_()
        assert torch.equal(model.restore_latent(z), before)
        gap = (cast.restore_latent(z) - before).abs().mean()
    assert 0 < gap < 0.1 * (z - before).abs().mean()


def test_facts_are_plain_and_tell_models_apart(model):
    import json

    facts = model.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["ranks"] == {"pixel": 4, "semantic": 8} and facts["alphas"] == {"pixel": 4, "semantic": 8}
    assert facts["weights_sha256"] == DiffusionBackbone().facts()["weights_sha256"]
