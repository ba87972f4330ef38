"""The colour fix takes a cast away and leaves what is right alone."""

import pytest
import torch
from torch.nn.functional import interpolate

from models.sr.colour_fix import ColourFix


def smooth(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return interpolate(torch.rand(2, 3, 4, 5, generator=generator), (64, 80), mode="bicubic").clamp(0.3, 0.7)


@pytest.mark.parametrize("method", ["wavelet", "adain", "none"])
def test_equal_pictures_stay_as_they_are(method):
    x = torch.rand(2, 3, 33, 21)
    assert (ColourFix(method)(x, x) - x).abs().max() < 1e-6
    flat = torch.full((1, 3, 8, 8), 0.25)
    torch.testing.assert_close(ColourFix(method)(flat, flat), flat)


@pytest.mark.parametrize("method", ["wavelet", "adain"])
def test_a_cast_is_removed_and_texture_is_kept(method):
    lr = smooth()
    texture = 0.01 * torch.randn(lr.shape, generator=torch.Generator().manual_seed(1))
    cast = torch.tensor([0.2, -0.1, 0.05]).reshape(3, 1, 1)
    fixed = ColourFix(method)(lr + texture + cast, lr)
    assert (fixed.mean((2, 3)) - lr.mean((2, 3))).abs().max() < 1e-3
    assert (fixed - lr - texture).abs().max() < 0.02
    assert torch.equal(ColourFix("none")(lr + cast, lr), lr + cast)


def test_wavelet_is_the_high_band_of_one_and_the_low_band_of_the_other():
    from models.sr.wavelet import low_band

    lr, restored = smooth(1), smooth(2)
    for levels in (1, 3):
        wanted = restored - low_band(restored, levels) + low_band(lr, levels)
        torch.testing.assert_close(ColourFix("wavelet", levels)(restored, lr), wanted.clamp(0, 1), atol=1e-6, rtol=0)


def test_adain_gives_mean_and_deviation_and_stretches_no_flat_channel():
    lr, restored = smooth(1), 0.5 + 0.4 * (smooth(2) - 0.5)
    fixed = ColourFix("adain")(restored, lr)
    torch.testing.assert_close(fixed.mean((2, 3)), lr.mean((2, 3)), atol=1e-3, rtol=0)
    torch.testing.assert_close(fixed.std((2, 3)), lr.std((2, 3)), atol=5e-3, rtol=0)
    flat = torch.full_like(lr, 0.5) + 1e-5 * torch.rand_like(lr)
    assert ColourFix("adain")(flat, lr).std((2, 3)).max() < 1e-4


def test_wrong_options_and_sizes_are_refused():
    with pytest.raises(ValueError, match="colour fix 'blue'"):
        ColourFix("blue")
    with pytest.raises(ValueError, match="levels 0"):
        ColourFix("wavelet", 0)
    with pytest.raises(ValueError, match="not of one size"):
        ColourFix()(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9))
