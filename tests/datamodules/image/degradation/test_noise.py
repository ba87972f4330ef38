import numpy as np
import pytest
import torch
from scipy.stats import poisson

from datamodules.image.degradation.noise import _poisson, _quantile, add_noise, uniforms
from datamodules.image.degradation.plan import Noise

GREY = torch.full((1, 3, 96, 128), 0.5)


def gaussian(strength: float = 10.0, grey: bool = False, seed: int = 5) -> Noise:
    return Noise("gaussian", strength, grey, seed)


def test_numbers_are_uniform_and_independent():
    field = uniforms([gaussian()], torch.empty(1, 3, 256, 256))[0].double()
    assert 0 < field.min() and field.max() < 1
    counts = torch.histc(field, 64, 0, 1)
    expected = field.numel() / 64
    assert ((counts - expected) ** 2 / expected).sum() < 63 + 5 * (2 * 63) ** 0.5
    flat = field - field.mean()
    for down, right in ((0, 1), (1, 0), (1, 1), (0, 16)):
        there = flat[:, down:, right:]
        here = flat[:, : 256 - down, : 256 - right]
        assert abs((here * there).mean() / flat.var()) < 5 / field.numel() ** 0.5
    assert abs((flat[0] * flat[1]).mean() / flat.var()) < 5 / flat[0].numel() ** 0.5


def test_seeds_differ_in_both_halves():
    fields = [uniforms([gaussian(seed=seed)], torch.empty(1, 3, 64, 64)) for seed in (1, 2, 1 + 2**32)]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(fields[a].flatten(), fields[b].flatten())[0, 1]) < 0.05


@pytest.mark.parametrize("sigma", [1.0, 12.5])
def test_gaussian_noise_has_its_sigma_in_levels(sigma):
    added = (add_noise(GREY, [gaussian(sigma)]) - 0.5) * 255
    assert added.std().item() == pytest.approx(sigma, rel=0.03)
    assert added.mean().item() == pytest.approx(0, abs=0.03 * sigma)
    assert ((added / sigma) ** 4).mean().item() == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_grey_noise_is_the_same_in_all_channels_and_other_noise_is_not(kind):
    x = torch.rand(1, 3, 32, 32) * 0.4 + 0.3
    for grey in (True, False):
        added = add_noise(x, [Noise(kind, 1.0, grey, 3)]) - x
        assert torch.allclose(added[:, 0], added[:, 1], atol=1e-6) is grey


def test_poisson_noise_counts_photons():
    # 16 levels: 16 photons at full brightness.
    levels = torch.arange(16) * 17
    x = (levels.float() / 255).repeat_interleave(512).view(1, 1, 16, 512).expand(1, 3, -1, -1)
    noise = Noise("poisson", 0.5, False, 1)
    added = add_noise(x, [noise])[0] - x[0]
    for row in (1, 4, 7):  # brighter rows are clipped at white
        mean = row * 17 / 255 * 16
        assert added[:, row].var().item() == pytest.approx(0.25 * mean / 16**2, rel=0.12)
        assert abs(added[:, row].mean().item()) < 5 * 0.5 * mean**0.5 / 16 / (3 * 512) ** 0.5
    assert added[:, 0].abs().max() == 0


@pytest.mark.parametrize("photons", [1, 16, 256])
def test_quantiles_are_those_of_scipy(photons):
    uniform = torch.cat([torch.rand(3000, generator=torch.manual_seed(0)), torch.tensor([2**-24, 1 - 2**-24])])
    level = torch.randint(0, 256, uniform.shape, generator=torch.manual_seed(1)).int()
    ours = _quantile(level, uniform, photons)
    exact = poisson.ppf(uniform.double().numpy(), level.numpy() / 255 * photons)
    assert (ours.numpy() != np.maximum(exact, 0)).mean() < 1e-3  # float32 decides ties
    assert _poisson(photons, torch.device("cpu"))[1].shape[1] > ours.max()


def test_a_batch_is_what_its_pictures_are_alone_whatever_the_canvas():
    noises = [gaussian(), Noise("poisson", 0.7, True, 9), gaussian(grey=True), Noise("poisson", 0.7, False, 2)]
    x = torch.rand(4, 3, 40, 30)
    canvas = torch.nn.functional.pad(x, (0, 9, 0, 17), value=0.123)
    inside = torch.zeros(4, 1, 57, 39, dtype=torch.bool)
    inside[:, :, :40, :30] = True
    together = add_noise(canvas, noises, inside)[:, :, :40, :30]
    for index, noise in enumerate(noises):
        torch.testing.assert_close(together[index], add_noise(x[index : index + 1], [noise])[0], rtol=0, atol=0)


def test_strong_noise_stays_between_black_and_white():
    out = add_noise(torch.rand(1, 3, 16, 16), [gaussian(200)])
    assert out.min() == 0 and out.max() == 1
