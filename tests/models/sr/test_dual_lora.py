import copy

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from models.sr import dual_lora, peft_compat
from models.sr.backbone import DiffusionBackbone
from models.sr.shapes import build


def noise_of(unet, z):
    times, text = torch.full((len(z),), 1), torch.ones(len(z), 8, 32)
    return unet(z, times, encoder_hidden_states=text).sample


def gradients_wanted(unet):
    return {name: weight.requires_grad for name, weight in unet.named_parameters()}


def fill(unet, size=0.2):
    """Give both adapters an effect."""
    with torch.no_grad():
        for name in dual_lora.ADAPTERS:
            for weight in dual_lora.adapter_state(unet, name).values():
                weight.normal_(std=size)


@pytest.fixture(scope="module")
def plain():
    return build("tiny", seed=7)[0].requires_grad_(False)


@pytest.fixture(scope="module")
def once():
    torch.manual_seed(0)
    adapted = build("tiny", seed=7)[0]
    dual_lora.add_adapters(adapted, {"pixel": 4, "semantic": 8})
    return adapted, copy.deepcopy([dual_lora.adapter_state(adapted, name) for name in dual_lora.ADAPTERS])


@pytest.fixture
def unet(once):
    adapted, fresh = once
    for name, state in zip(dual_lora.ADAPTERS, fresh, strict=True):
        dual_lora.load_adapter_state(adapted, name, state)
    dual_lora.activate(adapted, dual_lora.ADAPTERS)
    adapted.zero_grad()
    adapted.disable_gradient_checkpointing()
    return adapted


@pytest.fixture
def z():
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def test_fresh_adapters_change_nothing_and_sit_on_73_modules(plain, unet, z):
    assert torch.equal(noise_of(unet, z), noise_of(plain, z))
    assert len(dual_lora.lora_layers(unet)) == 73
    assert dual_lora.active_adapters(unet) == dual_lora.ADAPTERS
    assert not any(gradients_wanted(unet).values())
    adapted = dual_lora.lora_layers(unet)
    assert not [path for path in adapted if "norm" in path or "time_emb" in path]
    # Convolutions and linear maps that are left: those that embed the time step.
    left = {path for path, part in plain.named_modules() if isinstance(part, (torch.nn.Conv2d, torch.nn.Linear))}
    assert {path.rpartition(".")[2] for path in left - set(adapted)} == {"time_emb_proj", "linear_1", "linear_2"}


def test_the_scaling_is_one_unless_alpha_is_given(plain, unet):
    scalings = {tuple(layer.scaling.values()) for layer in dual_lora.lora_layers(unet).values()}
    assert scalings == {(1.0, 1.0)}
    other = copy.deepcopy(plain)
    dual_lora.add_adapters(other, {"pixel": 4}, {"pixel": 8})
    assert {layer.scaling["pixel"] for layer in dual_lora.lora_layers(other).values()} == {2.0}


@pytest.mark.parametrize(("names", "trainable"), [(("pixel",), "pixel"), (("pixel", "semantic"), "semantic")])
def test_activate_trains_one_adapter_whatever_was_before(unet, names, trainable):
    dual_lora.activate(unet, ("pixel", "semantic"), "semantic")
    dual_lora.activate(unet, ("semantic",), "semantic")
    dual_lora.activate(unet, names, trainable)
    wanted = {name for name, on in gradients_wanted(unet).items() if on}
    assert wanted == {name for name in gradients_wanted(unet) if f".{trainable}." in name}
    assert len(wanted) == 146
    assert dual_lora.active_adapters(unet) == names


def test_an_adapter_that_is_not_active_cannot_train(unet):
    with pytest.raises(ValueError, match="semantic cannot train"):
        dual_lora.activate(unet, ("pixel",), "semantic")


@pytest.mark.parametrize("stage", ["pixel", "semantic"])
def test_the_base_view_is_the_base_bit_for_bit_and_restores_all_flags(plain, unet, z, stage):
    fill(unet)
    dual_lora.activate(unet, ("pixel", "semantic") if stage == "semantic" else ("pixel",), stage)
    before, adapted = gradients_wanted(unet), noise_of(unet, z)
    with dual_lora.base_view(unet):
        assert torch.equal(noise_of(unet, z), noise_of(plain, z))
        assert gradients_wanted(unet) == before
    with pytest.raises(KeyError), dual_lora.base_view(unet):
        raise KeyError
    assert gradients_wanted(unet) == before
    assert torch.equal(noise_of(unet, z), adapted)
    assert (adapted - noise_of(plain, z)).abs().max() > 0.1


def test_the_base_view_before_backward_changes_no_gradient_with_or_without_recomputation(plain, unet, z):
    """peft's own switches unfreeze ``pixel`` here, and break the recomputation."""
    fill(unet)
    sums = {}
    for checkpointing in (False, True):
        for viewed in (False, True):
            unet.zero_grad()
            dual_lora.activate(unet, ("pixel", "semantic"), "semantic")
            if checkpointing:
                unet.enable_gradient_checkpointing()
            loss = noise_of(unet, z).square().mean()
            if viewed:
                with torch.no_grad(), dual_lora.base_view(unet):
                    assert torch.equal(noise_of(unet, z), noise_of(plain, z))
            loss.backward()
            graded = {name: weight.grad for name, weight in unet.named_parameters() if weight.grad is not None}
            assert all(".semantic." in name for name in graded)
            sums[checkpointing, viewed] = torch.stack([grad.double().abs().sum() for grad in graded.values()])
    for value in sums.values():
        torch.testing.assert_close(value, sums[False, False], rtol=1e-5, atol=1e-9)


def test_a_peft_without_the_private_flag_is_told_loudly(unet, monkeypatch):
    monkeypatch.setattr(peft_compat, "_DISABLED", "_switched_off")
    with pytest.raises(RuntimeError, match="has no _switched_off"), dual_lora.base_view(unet):
        pass


def test_the_active_view_equals_the_public_switch_and_leaves_gradients_alone(unet, z):
    fill(unet)
    dual_lora.activate(unet, ("pixel", "semantic"), "semantic")
    before = gradients_wanted(unet)
    with dual_lora.active_view(unet, ("pixel",)):
        seen = noise_of(unet, z)
        assert gradients_wanted(unet) == before
    assert dual_lora.active_adapters(unet) == ("pixel", "semantic")
    dual_lora.activate(unet, ("pixel",))
    assert torch.equal(seen, noise_of(unet, z))


def test_only_the_trainable_adapter_moves_even_when_the_optimizer_holds_everything(unet, z):
    fill(unet)
    dual_lora.activate(unet, ("pixel", "semantic"), "semantic")
    before = {name: weight.clone() for name, weight in unet.named_parameters()}
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        noise_of(unet, z).square().mean().backward()
        optimizer.step()
    moved = {name for name, weight in unet.named_parameters() if not torch.equal(weight, before[name])}
    assert moved == {name for name in before if ".semantic." in name}


def test_state_and_file_give_an_adapter_back_exactly(unet, z, tmp_path):
    fill(unet)
    want = noise_of(unet, z)
    fresh = build("tiny", seed=7)[0]
    dual_lora.add_adapters(fresh, {"pixel": 4, "semantic": 8})
    dual_lora.load_adapter_state(fresh, "pixel", dual_lora.adapter_state(unet, "pixel"))
    dual_lora.save_adapter(unet, "semantic", tmp_path / "semantic.safetensors")
    dual_lora.load_adapter(fresh, "semantic", tmp_path / "semantic.safetensors")
    assert torch.equal(noise_of(fresh, z), want)
    assert not any(gradients_wanted(fresh).values())
    with safe_open(tmp_path / "semantic.safetensors", framework="pt") as stored:
        assert "conv_in.lora_A.weight" in stored.keys() and len(stored.keys()) == 146


def test_files_pass_to_diffusers_and_back(plain, unet, z, tmp_path):
    fill(unet)
    dual_lora.activate(unet, ("semantic",))
    want = noise_of(unet, z)
    dual_lora.save_adapter(unet, "semantic", tmp_path / "ours.safetensors")
    theirs = copy.deepcopy(plain)
    theirs.load_lora_adapter(tmp_path, prefix=None, adapter_name="detail", weight_name="ours.safetensors")
    assert torch.equal(noise_of(theirs, z), want)
    theirs.save_lora_adapter(tmp_path, adapter_name="detail", weight_name="theirs.safetensors")
    dual_lora.load_adapter_state(
        unet, "semantic", {k: 0 * v for k, v in dual_lora.adapter_state(unet, "semantic").items()}
    )
    dual_lora.load_adapter(unet, "semantic", tmp_path / "theirs.safetensors")
    assert torch.equal(noise_of(unet, z), want)


def test_a_state_that_does_not_fit_is_refused_with_its_keys(unet, tmp_path):
    state = dict(dual_lora.adapter_state(unet, "pixel"))
    state["conv_on.lora_A.weight"] = state.pop("conv_in.lora_A.weight")
    with pytest.raises(ValueError, match=r"1 missing: conv_in.lora_A.weight; 1 not expected: conv_on.lora_A.weight"):
        dual_lora.load_adapter_state(unet, "pixel", state)
    with pytest.raises(ValueError, match="instead of"):
        dual_lora.load_adapter_state(unet, "pixel", dual_lora.adapter_state(unet, "semantic"))
    with pytest.raises(ValueError, match="no adapter pix"):
        dual_lora.adapter_state(unet, "pix")
    dual_lora.save_adapter(unet, "semantic", tmp_path / "semantic.safetensors")
    with pytest.raises(ValueError, match="has r 8, adapter pixel has 4"):
        dual_lora.load_adapter(unet, "pixel", tmp_path / "semantic.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="146 missing"):
        dual_lora.load_adapter(unet, "pixel", tmp_path / "foreign.safetensors")


def test_a_file_is_as_large_as_its_rank_says(unet, tmp_path):
    sizes = {}
    for name, rank in (("pixel", 4), ("semantic", 8)):
        dual_lora.save_adapter(unet, name, tmp_path / name)
        layers = dual_lora.lora_layers(unet).values()
        inside_and_out = [
            layer.get_base_layer().weight.shape[1:].numel() + layer.get_base_layer().weight.shape[0] for layer in layers
        ]
        sizes[name] = (tmp_path / name).stat().st_size
        assert 4 * rank * sum(inside_and_out) < sizes[name] < 4 * rank * sum(inside_and_out) + 40_000
    assert sizes["semantic"] > 1.8 * sizes["pixel"]


def test_adapters_are_float32_on_a_base_in_bfloat16(z):
    unet = DiffusionBackbone(dtype="bfloat16").unet
    dual_lora.add_adapters(unet, {"pixel": 4})
    kinds = {weight.dtype for name, weight in unet.named_parameters() if ".lora_" in name}
    assert kinds == {torch.float32}
    assert unet.conv_in.get_base_layer().weight.dtype == torch.bfloat16
