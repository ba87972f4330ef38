"""A ControlNet that starts as no steering at all, semantics that start as none, guidance below and above one."""

import pytest
import torch

from models.sr.backbone import DiffusionBackbone
from models.sr.controlled import ControlledSR
from models.sr.semantic_encoders import TinyEncoder

torch.set_num_threads(1)


def network(semantics=True, **more):
    torch.manual_seed(0)
    return ControlledSR(DiffusionBackbone(shape="tiny"), TinyEncoder(5, 6) if semantics else None, **more)


def inputs(model, batch=2):
    torch.manual_seed(1)
    picture = torch.rand(batch, 3, 5 * model.multiple, 4 * model.multiple)
    latent = torch.randn(batch, model.backbone.unet.config.in_channels, 5, 4)
    return picture, latent, torch.tensor([10, 700])[:batch], model.backbone.prompt("positive").expand(batch, -1, -1)


def opened(model):
    """The same network after some training: nothing is zero any more."""
    torch.manual_seed(2)
    with torch.no_grad():
        for value in [*model.control.parameters(), *(model.adapter.parameters() if model.adapter else [])]:
            value.add_(0.02 * torch.randn_like(value))
    return model


@torch.no_grad()
def test_at_the_start_neither_the_controlnet_nor_the_semantics_change_the_base():
    with_semantics, plain = network(repeats=2), network(semantics=False)
    picture, latent, times, text = inputs(plain)
    tokens = with_semantics.tokens(text, picture)
    assert tokens.shape[1] == 3 * text.shape[1] and plain.tokens(text, picture) is text
    base = plain.backbone.unet(latent, times, text).sample
    assert torch.equal(plain.noise_in(latent, times, picture, text), base)
    assert torch.allclose(with_semantics.noise_in(latent, times, picture, tokens), base, atol=1e-5)


@torch.no_grad()
def test_semantics_change_nothing_at_first_whatever_the_controlnet_has_learnt():
    with_semantics, plain = network(), opened(network(semantics=False))
    with_semantics.control.load_state_dict(plain.control.state_dict())
    picture, latent, times, text = inputs(plain)
    steered = plain.noise_in(latent, times, picture, text)
    assert (steered - plain.backbone.unet(latent, times, text).sample).abs().max() > 1e-3
    tokens = with_semantics.tokens(text, picture)
    assert torch.allclose(with_semantics.noise_in(latent, times, picture, tokens), steered, atol=1e-5)
    with_semantics.adapter.gate.fill_(3.0)
    moved = with_semantics.noise_in(latent, times, picture, with_semantics.tokens(text, picture))
    assert (moved - steered).abs().max() > 1e-4


def test_controlnet_and_adapter_train_and_nothing_else():
    model = network()
    picture, latent, times, text = inputs(model)
    model.noise_in(latent, times, picture, model.tokens(text, picture)).square().mean().backward()
    reached = {name.partition(".")[0] for name, value in model.named_parameters() if value.grad is not None}
    trained = {name.partition(".")[0] for name, value in model.named_parameters() if value.requires_grad}
    assert reached == trained == {"control", "adapter"}
    assert model.adapter.gate.grad.abs() > 0


def test_guidance_of_one_is_one_forward_and_others_lie_on_its_line():
    model = opened(network(semantics=False))
    picture = inputs(model, batch=1)[0]
    calls = []
    model.backbone.unet.register_forward_hook(lambda *_: calls.append(1))

    def restored(guidance, steps=1, seed=0):
        calls.clear()
        out = model.restore(picture, steps, guidance, generator=torch.Generator().manual_seed(seed))
        assert out.shape == picture.shape and out.min() >= 0 and out.max() <= 1
        return out, len(calls)

    one, cost = restored(1.0, 3)
    assert cost == 3
    assert torch.equal(one, restored(1.0, 3)[0]) and not torch.equal(one, restored(1.0, 3, seed=1)[0])
    # A step is linear in the guidance up to the decoder: look at latents.
    latents = {}
    model.backbone.decode = lambda z: latents.setdefault("last", z).new_zeros(picture.shape)
    found = {}
    for guidance in (0.0, 0.9, 1.0, 8.5):
        latents.clear()
        cost = restored(guidance)[1]
        assert cost == (1 if guidance == 1.0 else 2)
        found[guidance] = latents["last"]
    assert (found[1.0] - found[0.0]).abs().max() > 1e-4
    for guidance in (0.9, 8.5):
        line = found[0.0] + guidance * (found[1.0] - found[0.0])
        assert torch.allclose(found[guidance], line, rtol=1e-3, atol=1e-2 * found[1.0].abs().max())


def test_checkpointing_gives_the_same_gradients():
    grads = []
    for checkpointing in (False, True):
        model = opened(network(checkpointing=checkpointing)).train()
        picture, latent, times, text = inputs(model)
        model.noise_in(latent, times, picture, model.tokens(text, picture)).square().mean().backward()
        grads.append(torch.cat([value.grad.flatten() for value in model.parameters() if value.grad is not None]))
    assert torch.allclose(*grads, atol=1e-6) and grads[0].abs().max() > 1e-4


def test_a_half_precision_base_takes_a_full_precision_controlnet():
    torch.manual_seed(0)
    model = ControlledSR(DiffusionBackbone(shape="tiny", dtype="bfloat16"), TinyEncoder(5, 6))
    picture, latent, times, text = inputs(model)
    noise = model.noise_in(latent, times, picture, model.tokens(text, picture))
    assert noise.dtype == torch.float32 and model.control.dtype == torch.float32
    assert model.restore(picture, 2, 0.9).shape == picture.shape


def test_facts_say_what_is_a_stand_in():
    facts = network().facts()
    assert facts["semantics"]["stand_in"] is True and facts["base"]
    assert network(semantics=False).facts()["semantics"] is None


def test_a_vae_that_shrinks_otherwise_is_refused(monkeypatch):
    monkeypatch.setattr(DiffusionBackbone, "factor", 6)
    with pytest.raises(ValueError, match="by 2, 4 or 8, not by 6"):
        network()
