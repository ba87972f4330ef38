"""SSIM as a loss: equal to scikit-image's, defined for any size, in fp32."""

import numpy as np
import pytest
import torch

from losses.ssim import ssim, ssim_loss


def test_it_equals_scikit_image_over_the_places_where_the_window_fits():
    metrics = pytest.importorskip("skimage.metrics")
    generator = np.random.default_rng(0)
    x = generator.random((2, 37, 50, 3))
    y = (x + 0.2 * generator.standard_normal(x.shape)).clip(0, 1)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    theirs = [metrics.structural_similarity(a, b, channel_axis=2, **settings) for a, b in zip(x, y, strict=True)]
    ours = ssim(*(torch.from_numpy(value).permute(0, 3, 1, 2) for value in (x, y)))
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    assert ours.dtype == torch.float32


@pytest.mark.parametrize("size", [(1, 1), (4, 30), (11, 10)])
def test_small_images_have_a_smaller_window(size):
    x = torch.rand(1, 3, *size)
    assert float(ssim_loss(x, x)) == pytest.approx(0, abs=1e-6)
    assert float(ssim_loss(x, (x + 0.5) % 1)) > 0.01


def test_it_falls_with_damage_and_its_gradient_mends_it():
    x = torch.rand(1, 3, 24, 24)
    noise = torch.randn(x.shape)
    losses = [float(ssim_loss(x + amount * noise, x)) for amount in (0.01, 0.05, 0.2)]
    assert losses == sorted(losses)
    y = (x + 0.2 * noise).requires_grad_()
    ssim_loss(y, x).backward()
    assert float(ssim_loss((y - 20 * y.grad).detach(), x)) < losses[-1]


def test_autocast_does_not_make_it_coarse():
    x, y = torch.rand(1, 3, 24, 24), torch.rand(1, 3, 24, 24)
    with torch.autocast("cpu", torch.bfloat16):
        inside = ssim_loss(x, y)
    assert torch.equal(inside, ssim_loss(x, y)) and inside.dtype == torch.float32
