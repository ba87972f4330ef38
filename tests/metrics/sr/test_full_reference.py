"""PSNR and SSIM against slow formulas written from the definitions, and figures that must not move."""

import math

import numpy as np
import pytest

from metrics.sr.full_reference import OFFICIAL, RGB, Convention, luma, psnr, ssim


def pair(height=31, width=27, seed=0):
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    hr = np.stack([128 + 90 * np.sin(x / k) * np.cos(y / (k + 1)) for k in (2, 3, 5)], 2).round().astype(np.uint8)
    sr = np.clip(hr + generator.normal(0, 12, hr.shape), 0, 255).round().astype(np.uint8)
    return sr, hr


def slow_luma(pixel):
    red, green, blue = (float(value) / 255 for value in pixel)
    return 16 + 65.481 * red + 128.553 * green + 24.966 * blue


def planes(picture, convention):
    border = convention.crop_border
    inner = picture[border : len(picture) - border, border : picture.shape[1] - border]
    if convention.colorspace == "y":
        return [np.array([[slow_luma(pixel) for pixel in row] for row in inner])]
    return [inner[..., channel].astype(float) for channel in range(3)]


def slow_psnr(sr, hr, convention):
    gaps = [(a - b) ** 2 for a, b in zip(planes(sr, convention), planes(hr, convention), strict=True)]
    return 10 * math.log10(255**2 / float(np.mean(gaps)))


def slow_ssim(sr, hr, convention):
    weights = np.array([[math.exp(-(i * i + j * j) / 4.5) for j in range(-5, 6)] for i in range(-5, 6)])
    weights /= weights.sum()
    values = []
    for a, b in zip(planes(sr, convention), planes(hr, convention), strict=True):
        for top in range(a.shape[0] - 10):
            for left in range(a.shape[1] - 10):
                u, v = a[top : top + 11, left : left + 11], b[top : top + 11, left : left + 11]
                mu, nu = (weights * u).sum(), (weights * v).sum()
                var_u, var_v = (weights * (u - mu) ** 2).sum(), (weights * (v - nu) ** 2).sum()
                cov = (weights * (u - mu) * (v - nu)).sum()
                top_term = (2 * mu * nu + 6.5025) * (2 * cov + 58.5225)
                values.append(top_term / ((mu**2 + nu**2 + 6.5025) * (var_u + var_v + 58.5225)))
    return float(np.mean(values))


@pytest.mark.parametrize("convention", [OFFICIAL, RGB, Convention("rgb", 2)])
def test_agree_with_the_definitions(convention):
    sr, hr = pair()
    assert psnr(sr, hr, convention) == pytest.approx(slow_psnr(sr, hr, convention), abs=1e-5)
    assert ssim(sr, hr, convention) == pytest.approx(slow_ssim(sr, hr, convention), abs=1e-6)


def test_figures_of_the_challenges_scorer():
    # ``score_release.py`` of the NTIRE 2025 repository, run on this pair.
    sr, hr = pair(64, 80, seed=7)
    assert psnr(sr, hr) == pytest.approx(31.4309597, abs=1e-5)
    assert ssim(sr, hr) == pytest.approx(0.908609713, abs=1e-6)
    assert psnr(sr, hr, RGB) == pytest.approx(26.589318878, abs=1e-8)
    assert ssim(sr, hr, RGB) == pytest.approx(0.876116394, abs=1e-8)


def test_luma_spans_the_studio_range():
    picture = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]]], np.uint8)
    np.testing.assert_allclose(luma(picture)[0], [16, 235, 81.481, 40.966], atol=2e-5)


def test_a_shift_of_red_is_seen_through_its_weight():
    hr = np.full((24, 24, 3), 100, np.uint8)
    sr = hr.copy()
    sr[..., 0] += 10
    shift = 10 * 65.481 / 255
    assert psnr(sr, hr) == pytest.approx(20 * math.log10(255 / shift), abs=1e-4)
    assert psnr(sr, hr, RGB) == pytest.approx(20 * math.log10(255 / math.sqrt(100 / 3)), abs=1e-9)


def test_the_border_is_not_looked_at():
    sr, hr = pair()
    framed = sr.copy()
    framed[:4], framed[-4:], framed[:, :4], framed[:, -4:] = 0, 255, 255, 0
    assert psnr(framed, hr) == psnr(sr, hr)
    assert ssim(framed, hr) == ssim(sr, hr)
    assert psnr(framed, hr, RGB) < psnr(sr, hr, RGB) - 3


def test_equal_pictures():
    _, hr = pair()
    assert psnr(hr, hr) == math.inf
    assert ssim(hr, hr) == pytest.approx(1, abs=1e-12)


def test_refusals_name_the_sizes():
    sr, hr = pair()
    with pytest.raises(ValueError, match="26x31 where the original is 27x31"):
        psnr(sr[:, 1:], hr)
    with pytest.raises(ValueError, match="18x18 is too small"):
        ssim(sr[:18, :18], hr[:18, :18])
    with pytest.raises(ValueError, match="float64"):
        psnr(sr / 255.0, hr)
    with pytest.raises(ValueError, match="'lab'"):
        Convention("lab")
