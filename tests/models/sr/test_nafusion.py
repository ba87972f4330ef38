"""NAFusion: the formula, any size, what it costs, and that it learns what no constant blend can."""

import pytest
import torch
from torch import nn

from metrics.macs import count_macs
from models.sr.blend import Blend, FrequencyMerge
from models.sr.naf_block import LocalMean, NAFBlock
from models.sr.nafusion import NAFusion
from models.sr.wavelet import low_band


def pair(height=24, width=32, batch=1):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(batch, 3, height, width, generator=generator) for _ in range(2)]


def shaken(network):
    """A network with weights as if it were trained."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.05)
    return network.eval()


@pytest.mark.parametrize(
    ("preset", "millions", "gmacs"), [("S", 0.44, 5.1), ("M", 4.02, 37.4), ("L", 19.6, 158.7), ("nafnet32", 17.1, 64.1)]
)
def test_what_a_preset_costs_at_512(preset, millions, gmacs):
    with torch.device("meta"):
        count = count_macs(NAFusion(preset), (torch.empty(1, 3, 512, 512), torch.empty(1, 3, 512, 512)))
    digits = 2 if preset in "SM" else 1
    assert (round(count.parameters / 1e6, digits), round(count.macs / 1e9, 1)) == (millions, gmacs)
    assert not count.unused and not count.uncounted


@pytest.mark.parametrize("gate", [0, 1, 3])
@pytest.mark.parametrize("input", ["six", "highpass"])
def test_at_first_the_output_stands_between_the_candidates(gate, input):
    faithful, perceptual = pair()
    out = NAFusion("S", input=input, gate=gate)(faithful, perceptual)
    share = float(torch.sigmoid(torch.tensor(-2.0))) if gate else 0.0
    torch.testing.assert_close(out, faithful + share * (perceptual - faithful))


def test_the_formula():
    network, (faithful, perceptual) = shaken(NAFusion("S", gate=3)), pair()
    caught = []
    network.leave.register_forward_hook(lambda module, inputs, output: caught.append(output))
    out = network(faithful, perceptual)
    residual, gate = caught[0][:, :3], torch.sigmoid(caught[0][:, 3:] - 2)
    torch.testing.assert_close(out, faithful + gate * (perceptual - faithful) + residual)
    assert residual.abs().max() > 1e-3


@pytest.mark.parametrize("size", [(1, 1), (61, 75), (8, 3), (64, 64)])
def test_any_size_and_padding_that_the_inside_does_not_see(size):
    network, images = shaken(NAFusion("S", lr=True)), pair(*size)
    out = network(*images, images[0])
    assert out.shape == images[0].shape and out.isfinite().all()
    whole = [nn.functional.pad(image, (0, -size[1] % 8, 0, -size[0] % 8), mode="replicate") for image in images]
    torch.testing.assert_close(network(*whole, whole[0])[..., : size[0], : size[1]], out)


def test_high_pass_input_does_not_see_what_is_coarse_and_the_third_input_counts():
    faithful, perceptual = pair()
    seen = shaken(NAFusion("S", input="highpass", gate=0))
    torch.testing.assert_close(seen(faithful, perceptual + 0.1), seen(faithful, perceptual), atol=1e-5, rtol=0)
    assert not torch.allclose(seen(faithful, perceptual.flip(-1)), seen(faithful, perceptual))
    third = shaken(NAFusion("S", lr=True))
    assert not torch.allclose(third(faithful, perceptual, faithful), third(faithful, perceptual, perceptual))


def test_wrong_use_is_refused_in_a_sentence():
    faithful, perceptual = pair()
    with pytest.raises(ValueError, match="third input"):
        NAFusion("S", lr=True)(faithful, perceptual)
    with pytest.raises(ValueError, match="one size"):
        NAFusion("S")(faithful, perceptual[..., :-1])
    for wrong in ({"preset": "XL"}, {"gate": 2}, {"local_pool": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            NAFusion(**wrong)
    with pytest.raises(ValueError, match="alpha"):
        Blend(1.5)
    with pytest.raises(ValueError, match="levels"):
        FrequencyMerge(0)


def test_a_block_changes_nothing_at_first():
    x = torch.rand(2, 8, 6, 5)
    assert torch.equal(NAFBlock(8)(x), x)


def test_a_local_mean_is_that_of_the_window_and_repeats_at_the_border():
    x = torch.rand(1, 2, 9, 12)
    mean = LocalMean(4).eval()(x)
    inside = nn.functional.avg_pool2d(x, 4, stride=1)
    torch.testing.assert_close(mean[..., 1:7, 1:10], inside)
    torch.testing.assert_close(mean[..., 8, 1:10], inside[..., -1, :])
    whole = x.mean(dim=(2, 3), keepdim=True)
    for same in (LocalMean(4).train()(x), LocalMean(12).eval()(x), LocalMean(None).eval()(x)):
        torch.testing.assert_close(same, whole)
    torch.testing.assert_close(LocalMean(10).eval()(x)[..., 0, 0], x[..., :10].mean(dim=(2, 3)))


def test_local_pooling_makes_a_place_forget_what_is_far_away():
    images = pair(16, 96)
    other = [image.clone() for image in images]
    for image in other:
        image[..., 72:] = 1
    for pool, forgets in ((None, False), (16, True)):
        network = shaken(NAFusion("S", local_pool=pool))
        with torch.no_grad():
            near = (network(*images) - network(*other))[..., :4].abs().max()
        assert (float(near) < 1e-7) == forgets


def test_bands_add_up_and_blends_are_what_they_say():
    faithful, perceptual = pair(40, 40)
    assert torch.allclose(low_band(torch.full((1, 3, 9, 9), 0.3)), torch.tensor(0.3))
    assert torch.equal(Blend(0)(faithful, perceptual), faithful) and torch.equal(
        Blend(1)(faithful, perceptual), perceptual
    )
    torch.testing.assert_close(Blend(0.25)(faithful, perceptual), 0.75 * faithful + 0.25 * perceptual)
    torch.testing.assert_close(FrequencyMerge(3)(faithful, faithful), faithful)
    merged = FrequencyMerge(3)(faithful * 0.2 + 0.4, perceptual * 0.2 + 0.4)
    wanted = low_band(faithful * 0.2, 3) + perceptual * 0.2 - low_band(perceptual * 0.2, 3) + 0.4
    torch.testing.assert_close(merged, wanted)
    assert merged.var() > 2 * low_band(merged, 3).var()


def test_the_small_one_learns_where_to_take_from_which_candidate():
    # The faithful candidate lacks the texture of one side, the perceptual one adds noise to the other.
    torch.manual_seed(0)
    noise = torch.rand(2, 3, 32, 32)
    smooth = low_band(noise, 3)
    right = (torch.arange(32) >= 16).float()
    truth = right * noise + (1 - right) * smooth
    faithful, perceptual = smooth, truth + (1 - right) * 0.25 * torch.randn_like(truth)
    blends = [float((Blend(share / 20)(faithful, perceptual) - truth).abs().mean()) for share in range(21)]
    network = NAFusion("S")
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0)
    for _ in range(40):
        optimizer.zero_grad()
        loss = (network(faithful, perceptual) - truth).abs().mean()
        loss.backward()
        optimizer.step()
    # Both candidates are among the blends.
    assert float(loss.detach()) < 0.7 * min(blends), (loss, blends)
