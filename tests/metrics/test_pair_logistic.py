import numpy as np
import pytest

from metrics.calibration import expected_error, hits, log_loss, reliability
from metrics.pair_logistic import fit_pairs


def test_weights_that_made_the_choices_are_found_again() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(20_000, 3)) * [1.0, 50.0, 0.01]
    truth = rows @ [1.5, -0.02, 0.0]
    won = random.random(len(rows)) < 1 / (1 + np.exp(-truth))
    model = fit_pairs(rows, won)
    assert (model.weights / model.scale)[:2] == pytest.approx([1.5, -0.02], rel=0.1)
    assert abs(model.weights[2]) < 0.05


def test_the_order_of_two_says_nothing() -> None:
    rows, won = np.array([[1.0, 2.0], [0.5, -1.0], [-1.0, 0.3]]), np.array([1, 0, 1])
    model, other = fit_pairs(rows, won), fit_pairs(-rows, 1 - won)
    assert model.weights == pytest.approx(other.weights)
    assert model.chance(rows) == pytest.approx(1 - model.chance(-rows))


def test_a_figure_that_tells_all_pairs_apart_keeps_a_finite_weight() -> None:
    model = fit_pairs([[1.0], [2.0], [-1.0]] * 30, [1, 1, 0] * 30)
    assert np.isfinite(model.weights).all() and 0.9 < float(model.chance([[1.0]])[0]) < 1
    # A figure that never differs has no say.
    assert fit_pairs([[1.0, 0.0], [1.0, 0.0]], [1, 1]).weights[1] == 0


def test_the_fit_is_the_most_likely_one() -> None:
    from scipy.optimize import minimize

    random = np.random.default_rng(1)
    rows, won = random.normal(size=(60, 2)), random.integers(0, 2, 60)
    scaled = rows / np.sqrt((rows**2).mean(0))

    def cost(w):
        return len(won) * log_loss(1 / (1 + np.exp(-scaled @ w)), won) + 0.5 * w @ w

    assert fit_pairs(rows, won).weights == pytest.approx(minimize(cost, np.zeros(2), tol=1e-10).x, abs=1e-4)


def test_calibration_by_hand() -> None:
    chance, won = [0.9, 0.9, 0.1, 0.55, 0.5], [1, 0, 0, 1, 1]
    assert hits(chance, won).tolist() == [1, 0, 1, 1, 0.5]
    bins = reliability(chance, won)
    assert [each.n for each in bins] == [2, 0, 0, 0, 3]
    assert bins[0].said == pytest.approx(0.525) and bins[0].held == pytest.approx(0.75)
    assert bins[4].said == pytest.approx(0.9) and bins[4].held == pytest.approx(2 / 3)
    assert expected_error(bins) == pytest.approx((2 * 0.225 + 3 * (0.9 - 2 / 3)) / 5)
    assert log_loss([0.8, 0.4], [1, 0]) == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)
    assert np.isfinite(log_loss([0.0], [1]))
    assert np.isnan(expected_error([]))
