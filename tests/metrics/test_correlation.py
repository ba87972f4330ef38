"""Correlations equal scipy's, also where scipy says nan."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import curve_fit

from metrics.correlation import krocc, logistic4, mean_ranks, plcc, plcc_fit4, rmse, rmse_fit4, srocc

REFERENCES = [(srocc, stats.spearmanr), (plcc, stats.pearsonr), (krocc, stats.kendalltau)]


def data(n, seed=0, ties=False):
    generator = np.random.default_rng(seed)
    target = generator.normal(3.2, 0.55, n)
    if ties:
        target = np.round(target * 4) / 4
    return target + generator.normal(0, 0.3, n), target


@pytest.mark.parametrize(("ours", "reference"), REFERENCES)
@pytest.mark.parametrize("n", [2, 3, 7, 420, 2926])
@pytest.mark.parametrize("ties", [False, True])
def test_equal_to_scipy(ours, reference, n, ties):
    p, y = data(n, n, ties)
    expected = reference(p, y).statistic
    assert ours(p, y) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert ours(list(p), list(y)) == ours(p, y)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=20))
def test_equal_to_scipy_with_many_ties(rows):
    p, y = (np.array(column, float) for column in zip(*rows, strict=True))
    if np.ptp(p) and np.ptp(y):
        assert srocc(p, y) == pytest.approx(stats.spearmanr(p, y).statistic, abs=1e-12)
        assert plcc(p, y) == pytest.approx(stats.pearsonr(p, y).statistic, abs=1e-12)


@pytest.mark.parametrize("ours", [srocc, plcc, krocc, plcc_fit4])
@pytest.mark.parametrize(
    ("p", "y"),
    [
        ([], []),
        ([1.0], [2.0]),
        ([0.1] * 6, [1, 2, 3, 4, 5, 6]),
        ([1, 2, 3, 4, 5, 6], [3.3] * 6),
        ([1, 2, 3, 4, 5, math.nan], [1, 2, 3, 4, 5, 6]),
        ([1, 2, 3, 4, 5, math.inf], [1, 2, 3, 4, 5, 6]),
    ],
)
def test_nan_where_there_is_no_value(ours, p, y):
    assert math.isnan(ours(p, y))


def test_tiny_and_shifted_spreads_keep_their_digits():
    p, y = data(50)
    assert plcc(p * 1e-200, y * 1e200) == pytest.approx(plcc(p, y), abs=1e-12)
    assert plcc(p + 1e6, y) == pytest.approx(plcc(p, y), abs=1e-8)


@pytest.mark.parametrize("ours", [srocc, plcc, krocc, plcc_fit4, rmse])
def test_other_shapes_are_refused(ours):
    with pytest.raises(ValueError, match="shape"):
        ours([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="shape"):
        ours([[1, 2]], [[1, 2]])


def test_mean_ranks_equal_scipy():
    _, y = data(300, ties=True)
    assert np.array_equal(mean_ranks(y), stats.rankdata(y))


def test_rmse_is_in_label_units_without_a_fit():
    assert rmse([2, 4], [1, 2]) == pytest.approx(math.sqrt(2.5))
    assert math.isnan(rmse([], []))


def logistic(x, high, low, centre, slope):
    return low + (high - low) / (1 + np.exp(-(x - centre) / abs(slope)))


@pytest.mark.parametrize("n", [50, 420, 854])
@pytest.mark.parametrize("unit", [1.0, 30.0])
def test_fit4_is_the_least_squares_fit(n, unit):
    p, y = data(n)
    p = unit * np.tanh(p - 3.2)
    start = [y.max(), y.min(), p.mean(), p.std() / 2]
    found, _ = curve_fit(logistic, p, y, start, maxfev=100_000)
    reference = plcc(logistic(p, *found), y)
    assert reference > plcc(p, y)
    assert reference - 1e-6 <= plcc_fit4(p, y) < reference + 0.005


def test_fit4_undoes_a_logistic():
    x = np.linspace(1, 5, 200)
    y = logistic(x, 10, -3, 3, 0.5)
    assert plcc(x, y) < 0.99 and plcc_fit4(x, y) == pytest.approx(1, abs=1e-6)


def test_fit4_never_falls_below_the_straight_line():
    for seed in range(20):
        p, y = data(12, seed)
        assert plcc_fit4(p, y) >= plcc(p, y)


def test_fit4_does_not_hide_reversed_predictions():
    p, y = data(200)
    assert plcc(-p, y) < -0.8 and plcc_fit4(-p, y) < 0.2


def test_fit4_of_few_rows_is_no_value():
    assert math.isnan(plcc_fit4([1, 2, 3, 4], [1, 2, 3, 5]))
    assert math.isnan(rmse_fit4([1, 2, 3, 4], [1, 2, 3, 5]))


def test_the_error_after_the_fit_is_that_of_the_fitted_map_in_any_unit():
    p, y = data(60)
    p = np.tanh(p - 3.2)
    curve = logistic4(p, y)
    assert rmse_fit4(p, y) == pytest.approx(rmse(curve(p), y), rel=1e-6)
    assert rmse_fit4(100 * p + 7, y) == pytest.approx(rmse_fit4(p, y), rel=1e-4) and rmse(100 * p + 7, y) > 10
    assert rmse_fit4(-p, y) == pytest.approx(y.std(), rel=0.03)


def test_fit4_finds_nothing_in_the_last_digits_of_a_shoulder():
    """A logistic far to the right of its centre is 1 to fifteen digits; the steps between them were fitted once."""
    p = np.array([3.03014088, 3.03626919, 3.03889036, 3.04864955, 3.05918837, 3.07527566, 3.07571697])
    y = np.array([2.4, 2.0, 2.8, 3.6, 2.7, 3.1, 4.3])
    moved = p + 2.4e-7 * (np.arange(7) == 3)
    assert plcc_fit4(p, y) == pytest.approx(0.70856, abs=1e-4)
    assert plcc_fit4(moved, y) == pytest.approx(plcc_fit4(p, y), abs=1e-5)
