"""Perceptual distances: equal to the published implementations, monotone, frozen, and nobody's weights."""

import importlib.metadata

import numpy as np
import pytest
import torch
from torch import nn

from losses.perceptual import LPIPS, STLPIPS


@pytest.fixture(scope="module")
def stlpips():
    return STLPIPS()


@pytest.fixture(scope="module")
def photograph():
    data = pytest.importorskip("skimage.data")
    return torch.from_numpy(data.astronaut()[:128, 100:260]).permute(2, 0, 1)[None].float() / 255


def noisy(image, amount):
    return (image + amount * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


def blurred(image, sigma):
    taps = torch.exp(-torch.arange(-12.0, 13).square() / (2 * sigma**2))
    kernel = (taps[:, None] * taps / taps.sum() ** 2).expand(3, 1, 25, 25)
    return nn.functional.conv2d(nn.functional.pad(image, (12,) * 4, mode="reflect"), kernel, groups=3)


def test_it_gives_what_the_package_of_the_weights_gives(stlpips):
    # Computed once by stlpips-pytorch 0.0.2 (net alex, variant shift_tolerant, normalize) on these tensors.
    x = torch.linspace(0, 1, 3 * 48 * 50, dtype=torch.float64).view(1, 3, 48, 50)
    pairs = [(x, (x * 7) % 1), (x, 1 - x), ((x * 31) % 1, (x * 97) % 1)]
    ours = torch.cat([stlpips(a.float(), b.float()) for a, b in pairs])
    torch.testing.assert_close(ours, torch.tensor([0.9764223, 0.9674383, 0.6029483]), rtol=2e-4, atol=1e-6)


def test_more_damage_is_further_and_a_small_shift_is_near(stlpips, photograph):
    for damage, amounts in ((blurred, (0.5, 1, 2, 4)), (noisy, (0.02, 0.05, 0.1, 0.2))):
        values = [float(stlpips(photograph, damage(photograph, amount))) for amount in amounts]
        assert values == sorted(values) and values[-1] > 4 * values[0] > 0
    shifted = float(stlpips(photograph[..., 1:, :], photograph[..., :-1, :]))
    assert shifted < 0.02 < float(stlpips(photograph, blurred(photograph, 1)))
    assert float(stlpips(photograph, photograph)) == 0


def test_each_image_of_a_batch_has_its_own_distance(stlpips):
    x, y = torch.rand(2, 3, 40, 36), torch.rand(2, 3, 40, 36)
    both = stlpips(x, y)
    assert both.shape == (2,) and both.dtype == torch.float32
    torch.testing.assert_close(both, torch.cat([stlpips(x[:1], y[:1]), stlpips(x[1:], y[1:])]))


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (33, 31)])
def test_images_smaller_than_the_trunk_are_compared_too(stlpips, size):
    x = torch.rand(1, 3, *size)
    assert float(stlpips(x, x)) == 0 < float(stlpips(x, 1 - x))


def test_gradients_reach_the_images_and_are_finite_even_where_there_is_nothing(stlpips):
    x = torch.zeros(1, 3, 40, 40, requires_grad=True)
    stlpips(x, torch.rand(1, 3, 40, 40)).sum().backward()
    assert x.grad.isfinite().all() and x.grad.abs().max() > 0
    same = torch.rand(1, 3, 40, 40, requires_grad=True)
    stlpips(same, same.detach()).sum().backward()
    assert (same.grad == 0).all()


def test_it_is_frozen_stays_fp32_and_is_nobodys_weights(stlpips):
    owner = nn.Module()
    owner.weight, owner.distance = nn.Parameter(torch.zeros(1)), stlpips
    assert list(owner.state_dict()) == ["weight"] and [name for name, _ in owner.named_parameters()] == ["weight"]
    assert not list(owner.buffers())
    owner.train()
    x, y = torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 40)
    before = stlpips(x, y)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(stlpips(x, y), before)
    owner.to(torch.bfloat16)
    assert torch.equal(stlpips(x, y), before)


def test_it_moves_with_its_owner():
    distance = STLPIPS()
    nn.Sequential(distance).to("meta")
    image = torch.zeros(1, 3, 40, 40, device="meta")
    assert distance(image, image).device.type == "meta"


def test_what_is_missing_or_wrong_is_said_in_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="package:stlpips-alex"):
        STLPIPS("package:stlpips-squeeze")
    with pytest.raises(FileNotFoundError, match=r"none\.pth: no such file; .*package:stlpips-alex"):
        STLPIPS(str(tmp_path / "none.pth"))
    (tmp_path / "torn.pth").write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"torn\.pth: holds no weights"):
        STLPIPS(str(tmp_path / "torn.pth"))
    torch.save({"net.slice1.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth: holds no convolutions"):
        STLPIPS(str(tmp_path / "other.pth"))
    torch.save({f"net.slice1.0.{kind}": torch.zeros(64, 3, 3, 3) for kind in ("weight", "bias")}, tmp_path / "few.pth")
    with pytest.raises(ValueError, match=r"few\.pth: holds no lin0"):
        STLPIPS(str(tmp_path / "few.pth"))
    with pytest.raises(FileNotFoundError, match=r"alexnet-owt-7be5be79\.pth .*STLPIPS"):
        LPIPS("alex", str(tmp_path / "none.pth"))

    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps stlpips-pytorch"):
        STLPIPS()


@pytest.mark.parametrize("net", ["alex", pytest.param("vgg", marks=pytest.mark.slow)])
def test_lpips_gives_what_torchmetrics_gives_with_the_same_trunk(net, tmp_path):
    peer = pytest.importorskip("torchmetrics.functional.image.lpips")
    torch.manual_seed(0)
    theirs = peer._LPIPS(pretrained=True, net=net, pnet_rand=True).eval()
    state = {}
    for name, value in theirs.net.state_dict().items():
        place, kind = name.split(".")[-2:]
        state[f"features.{place}.{kind}"] = value
    torch.save(state | {"classifier.1.weight": torch.zeros(2, 2)}, tmp_path / "trunk.pth")
    ours = LPIPS(net, str(tmp_path / "trunk.pth"))
    assert ours.name == f"lpips-{net}"
    x, y = torch.rand(2, 3, 64, 70), torch.rand(2, 3, 64, 70)
    with torch.no_grad():
        np.testing.assert_allclose(ours(x, y), theirs(x, y, normalize=True).flatten(), rtol=1e-4)


@pytest.mark.slow
def test_the_vgg_weights_of_the_package_load_and_measure(photograph):
    distance = STLPIPS("package:stlpips-vgg")
    assert distance.name == "st-lpips-vgg"
    values = [float(distance(photograph, blurred(photograph, sigma))) for sigma in (0.5, 1, 2)]
    assert values == sorted(values) and values[0] > 0
