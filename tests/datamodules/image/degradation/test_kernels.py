import math

import numpy as np
import pytest

from datamodules.image.degradation.kernels import SIDE, kernel, kernels
from datamodules.image.degradation.plan import Blur

ISO = Blur("iso", 21, 2.0, 2.0)
ANISO = Blur("aniso", 21, 3.0, 1.0, 0.4)
SINC = Blur("sinc", 21, cutoff=1.3)


def test_kernels_sum_to_one_within_their_sizes():
    blurs = [
        ISO,
        ANISO,
        SINC,
        Blur("plateau_aniso", 7, 2.0, 1.0, 1.0, 1.7),
        Blur("generalized_iso", 9, 1.0, 1.0, 0, 0.6),
    ]
    drawn = kernels(blurs)
    assert drawn.dtype == np.float32 and drawn.shape == (5, SIDE, SIDE)
    np.testing.assert_allclose(drawn.sum((1, 2)), 1, atol=1e-6)
    for one, blur in zip(drawn, blurs, strict=True):
        edge = (SIDE - blur.size) // 2
        assert np.abs(one).sum() == pytest.approx(np.abs(kernel(blur)).sum(), abs=1e-6)
        assert kernel(blur).shape == (blur.size, blur.size)
        np.testing.assert_array_equal(one[edge : SIDE - edge, edge : SIDE - edge], kernel(blur))


def test_many_kernels_are_those_that_come_one_by_one():
    blurs = [SINC, None, ISO, ANISO, Blur("sinc", 7, cutoff=2.0)]
    for one, blur in zip(kernels(blurs), blurs, strict=True):
        np.testing.assert_array_equal(one, kernels([blur])[0])


def test_no_blur_and_no_width_change_nothing():
    pulse = np.zeros((SIDE, SIDE), np.float32)
    pulse[10, 10] = 1
    for blur in (None, Blur("iso", 21, 0.0, 0.0)):
        np.testing.assert_array_equal(kernels([blur])[0], pulse)


def test_a_gaussian_has_the_moments_of_its_widths_and_angle():
    places = np.arange(SIDE) - SIDE // 2
    right, down = np.meshgrid(places, places)
    drawn = kernel(Blur("aniso", 21, 2.5, 1.0, math.pi / 6)).astype(float)
    along = right * math.cos(math.pi / 6) + down * math.sin(math.pi / 6)
    across = down * math.cos(math.pi / 6) - right * math.sin(math.pi / 6)
    assert (drawn * along**2).sum() == pytest.approx(2.5**2, rel=0.01)
    assert (drawn * across**2).sum() == pytest.approx(1.0, rel=0.01)
    assert (drawn * along * across).sum() == pytest.approx(0, abs=0.01)


def test_the_exponent_one_is_the_plain_gaussian_and_higher_ones_are_boxier():
    plain = kernel(ANISO)
    np.testing.assert_allclose(kernel(Blur("generalized_aniso", 21, 3.0, 1.0, 0.4, 1.0)), plain, atol=1e-8)
    iso = [kernel(Blur("generalized_iso", 21, 3.0, 3.0, 0, beta)) for beta in (0.5, 1.0, 4.0)]
    kurtosis = [(one * np.hypot(*np.mgrid[-10:11, -10:11]) ** 4).sum() / one.sum() for one in iso]
    assert kurtosis[0] > kurtosis[1] > kurtosis[2]


def test_a_plateau_follows_its_formula():
    drawn = kernel(Blur("plateau_iso", 21, 2.0, 2.0, 0, 1.5))
    assert drawn[10, 13] / drawn[10, 10] == pytest.approx(1 / (1 + (9 / 4) ** 1.5), rel=1e-5)


def test_a_sinc_passes_what_is_below_its_cutoff_and_stops_the_rest():
    response = np.abs(np.fft.fft2(kernel(Blur("sinc", 21, cutoff=1.5)), (256, 256)))
    frequency = np.abs(np.fft.fftfreq(256)) * 2 * math.pi
    radius = np.hypot(frequency[:, None], frequency)
    assert response[radius < 1.0].min() > 0.8
    assert response[radius > 2.0].max() < 0.1
    symmetric = kernel(SINC)
    np.testing.assert_allclose(symmetric, symmetric.T, atol=1e-7)
