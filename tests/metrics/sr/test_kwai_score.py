"""The challenge's sum, and the interval of means over photographs."""

import numpy as np
import pytest

from metrics.sr.interval import GroupBootstrap
from metrics.sr.kwai_score import TERMS, kwai_score

FULL = {"psnr": 27.5, "ssim": 0.75, "lpips": 0.25, "musiq": 61.0, "maniqa": 0.41, "clipiqa": 0.62}


def test_the_formula_of_the_scorer():
    wanted = 27.5 + 10 * 0.75 - 10 * 0.25 + 10 * 0.41 + 10 * 0.62 + 0.1 * 61.0
    assert kwai_score({**FULL, "piqe": 40.0}) == (pytest.approx(wanted), None, [])


@pytest.mark.parametrize("name", TERMS)
def test_without_a_term_the_sum_is_partial(name):
    score, partial, missing = kwai_score({**FULL, name: None})
    assert score is None and missing == [name]
    assert partial == pytest.approx(kwai_score(FULL).score - TERMS[name] * FULL[name])


def test_without_any_term_there_is_no_sum():
    assert kwai_score({"piqe": 3.0}) == (None, None, list(TERMS))


def test_draws_of_groups_are_means_of_built_sets():
    groups, values = ["a", "a", "b", "c"], np.array([1.0, 3.0, 10.0, 20.0])
    bootstrap = GroupBootstrap(groups, draws=50, seed=3)
    for counts, mean in zip(bootstrap.counts.astype(int), bootstrap.means(values), strict=True):
        drawn = [1, 3] * counts[0] + [10] * counts[1] + [20] * counts[2]
        assert mean == pytest.approx(np.mean(drawn))


def test_alike_pictures_of_one_photograph_widen_the_interval():
    values = np.random.default_rng(0).normal(size=10).repeat(10)
    apart = GroupBootstrap([str(i) for i in range(100)]).means(values).std()
    together = GroupBootstrap([str(i // 10) for i in range(100)]).means(values).std()
    assert together > 2.5 * apart
