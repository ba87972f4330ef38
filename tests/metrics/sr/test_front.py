import numpy as np
import pytest

from metrics.sr.front import between, beyond, gap_at
from metrics.sr.scene_statistics import scene_statistics

SHARES = np.linspace(0, 1, 5)
FINE = np.linspace(0, 1, 401)
# Costs that trade off: squares of the way from one end and from the other.
CURVE = between(SHARES, FINE) @ np.stack([SHARES**2, (1 - SHARES) ** 2], axis=1)


def test_the_spline_goes_through_and_follows_what_is_smooth() -> None:
    assert between(SHARES, SHARES) == pytest.approx(np.eye(5))
    assert pytest.approx(np.stack([FINE**2, (1 - FINE) ** 2], axis=1), abs=1e-12) == CURVE
    assert between([0.0, 1.0], [0.25]) @ [0.0, 4.0] == pytest.approx([1.0])


def test_distances_to_a_known_curve() -> None:
    on = [0.25, 0.25]
    assert float(beyond(CURVE, on, [1, 1])) == pytest.approx(0, abs=1e-3)
    # The curve has to gain .1 in both to reach a point that is better by that much in both.
    assert float(beyond(CURVE, [0.15, 0.15], [1, 1])) == pytest.approx(0.1, abs=1e-3)
    assert float(beyond(CURVE, [0.45, 0.45], [1, 1])) == pytest.approx(-0.2, abs=1e-3)
    assert float(beyond(CURVE, [0.15, 0.15], [2, 2])) == pytest.approx(0.05, abs=1e-3)
    # Better than all of the curve in one cost is beyond it, whatever the other.
    assert float(beyond(CURVE, [-0.3, 9.0], [1, 1])) == pytest.approx(0.3)


def test_gains_at_the_same_cost() -> None:
    assert float(gap_at(CURVE, [0.25, 0.15], 1)) == pytest.approx(0.1, abs=2e-3)
    assert float(gap_at(CURVE, [0.2, 0.25], 0)) == pytest.approx(0.05, abs=2e-3)
    assert np.isnan(gap_at(CURVE, [-0.1, 0.25], 1))


def test_many_curves_at_once() -> None:
    many, points = np.stack([CURVE, CURVE + 1]), np.array([[0.15, 0.15], [1.45, 1.45]])
    assert beyond(many, points, [1, 1]) == pytest.approx([0.1, -0.2], abs=1e-3)
    assert gap_at(many, points, 1).shape == (2,)


def test_blur_and_noise_move_the_statistics_apart() -> None:
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(0)
    base = gaussian_filter(random.normal(0, 60, (96, 96, 3)), (1, 1, 0)) + 128
    plain, blurred = (
        scene_statistics(np.clip(each, 0, 255).astype(np.uint8)) for each in (base, gaussian_filter(base, (2, 2, 0)))
    )
    noisy = scene_statistics(np.clip(base + random.normal(0, 25, base.shape), 0, 255).astype(np.uint8))
    assert blurred["sharpness"] < plain["sharpness"] < noisy["sharpness"]
    assert blurred["neighbours"] > plain["neighbours"] > noisy["neighbours"]
    flat = scene_statistics(np.full((8, 8, 3), 9, np.uint8))
    assert all(np.isfinite(value) for value in flat.values()) and flat["sharpness"] == pytest.approx(0, abs=1e-6)
