"""Fusion in bands: the formula, any size, what it sees, and that it learns what no constant blend can."""

import pytest
import torch
from torch import nn

from metrics.macs import count_macs
from models.sr.band_fusion import BandFusion
from models.sr.wavelet import low_band, split_bands


def pair(height=24, width=32):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 3, height, width, generator=generator) for _ in range(3)]


def shaken(network):
    """A network with weights as if it were trained."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return network.eval()


def test_bands_add_up_and_the_last_one_is_what_is_coarse():
    image = pair()[0]
    parts = split_bands(image, 3)
    torch.testing.assert_close(sum(parts), image)
    assert len(parts) == 4 and torch.equal(parts[-1], low_band(image, 3))
    assert torch.equal(parts[0], image - low_band(image, 1))


def test_at_first_the_output_is_the_faithful_candidate():
    images = pair()
    assert torch.equal(BandFusion()(*images), images[0])


@pytest.mark.parametrize("lr", [True, False])
def test_the_formula(lr):
    network, (faithful, perceptual, third) = shaken(BandFusion(bands=2, lr=lr)), pair(8, 8)
    nn.init.zeros_(network.leave.weight)
    # One share everywhere: the bias.
    share = network.leave.bias.detach()
    wanted = faithful + sum(s * part for s, part in zip(share[:2], split_bands(faithful, 2)[:2], strict=True))
    others = [perceptual, third] if lr else [perceptual]
    for place, other in enumerate(others):
        parts = split_bands(other - faithful, 2)
        wanted = wanted + sum(s * part for s, part in zip(share[2 + 3 * place :][:3], parts, strict=True))
    assert len(share) == 2 + 3 * len(others)
    torch.testing.assert_close(network(faithful, perceptual, third), wanted)


@pytest.mark.parametrize("size", [(1, 1), (61, 75), (8, 3), (64, 64)])
def test_any_size_and_padding_that_the_inside_does_not_see(size):
    network, images = shaken(BandFusion()), pair(*size)
    out = network(*images)
    assert out.shape == images[0].shape and out.isfinite().all()
    sides = (0, -size[1] % network.multiple, 0, -size[0] % network.multiple)
    whole = [nn.functional.pad(image, sides, mode="replicate") for image in images]
    torch.testing.assert_close(network(*whole)[..., : size[0], : size[1]], out)


def test_colour_and_sign_of_the_pictures_do_not_change_the_shares():
    network, images = shaken(BandFusion()), pair()
    out = network(*images)
    torch.testing.assert_close(network(*(image.flip(1) for image in images)), out.flip(1))
    torch.testing.assert_close(network(*(1 - image for image in images)), 1 - out)


def test_local_pooling_makes_a_place_forget_what_is_far_away():
    images = pair(16, 160)
    other = [image.clone() for image in images]
    for image in other:
        image[..., 100:] = 1
    for pool, forgets in ((None, False), (16, True)):
        network = shaken(BandFusion(local_pool=pool))
        with torch.no_grad():
            near = (network(*images) - network(*other))[..., :4].abs().max()
        assert (float(near) < 1e-7) == forgets


def test_wrong_use_is_refused_in_a_sentence():
    faithful, perceptual, _ = pair()
    with pytest.raises(ValueError, match="third input"):
        BandFusion()(faithful, perceptual)
    with pytest.raises(ValueError, match="one size"):
        BandFusion(lr=False)(faithful, perceptual[..., :-1])
    for name in ("bands", "width", "blocks", "local_pool"):
        with pytest.raises(ValueError, match=f"{name} 0"):
            BandFusion(**{name: 0})


def test_what_it_costs_at_512():
    with torch.device("meta"):
        images = tuple(torch.empty(1, 3, 512, 512) for _ in range(3))
        count = count_macs(BandFusion(), images)
    assert not count.unused
    assert (count.parameters, round(count.macs / 1e9, 1)) == (31051, 0.5)


def test_it_learns_where_to_take_from_which_candidate_and_what_to_sharpen():
    # The perceptual candidate has the texture of one side and noise on the other; colours are to be kept.
    torch.manual_seed(0)
    noise = torch.rand(2, 3, 32, 32)
    right = (torch.arange(32) >= 16).float()
    truth = right * noise + (1 - right) * low_band(noise, 3)
    faithful, perceptual = low_band(truth, 2), truth + (1 - right) * 0.25 * torch.randn_like(truth)
    blends = [float((faithful.lerp(perceptual, share / 20) - truth).abs().mean()) for share in range(21)]
    network = BandFusion(lr=False)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2, weight_decay=0)
    for _ in range(60):
        optimizer.zero_grad()
        loss = (network(faithful, perceptual) - truth).abs().mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.7 * min(blends), (loss, blends)
