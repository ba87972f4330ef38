"""Every draw of the bootstrap equals the score of the set it stands for."""

import math

import numpy as np
import pytest
from scipy import stats

from metrics.bootstrap import SCORES, ContentBootstrap, difference, interval, two_sided


def data(contents=12, versions=5, seed=0, ties=True):
    generator = np.random.default_rng(seed)
    n = contents * versions
    target = np.repeat(generator.normal(3, 0.4, contents), versions) + generator.normal(0, 0.3, n)
    prediction = target + generator.normal(0, 0.3, n)
    if ties:
        target, prediction = np.round(target, 1), np.round(prediction, 1)
    content = [f"c{i // versions}" for i in range(n)]
    pairs = tuple(
        np.array(
            [(i, j, generator.integers(1, 3)) for i in range(n) for j in range(i) if (content[i] == content[j]) == same]
        )
        for same in (False, True)
    )
    return prediction, target, content, (pairs[0][::17], pairs[1][::3])


def built(prediction, target, content, pairs, counts, names):
    """Score of a set built file by file: each copy of a content is a content of its own."""
    copies = {name: int(count) for name, count in zip(names, counts, strict=True)}
    rows = [i for i, name in enumerate(content) for _ in range(copies[name])]
    p, y = prediction[rows], target[rows]
    accuracies = []
    for table, within in zip(pairs, (False, True), strict=True):
        won = []
        for i, j, rank in table:
            times = copies[content[i]] * (1 if within else copies[content[j]])
            won += [(1 if prediction[i] >= prediction[j] else 2) == rank] * times
        accuracies.append(np.mean(won) if won else math.nan)
    rho, linear = stats.spearmanr(p, y).statistic, stats.pearsonr(p, y).statistic
    final = 0.45 * rho + 0.45 * linear + 0.05 * accuracies[0] + 0.05 * accuracies[1]
    return rho, linear, *accuracies, final, (rho + linear) / 2


@pytest.mark.parametrize("ties", [False, True])
def test_each_draw_equals_the_built_set(ties):
    prediction, target, content, pairs = data(ties=ties)
    bootstrap = ContentBootstrap(target, content, pairs, draws=40)
    found = bootstrap.scores(prediction)
    for draw in range(40):
        expected = built(prediction, target, content, pairs, bootstrap.counts[draw], sorted(set(content)))
        for name, value in zip(SCORES, expected, strict=True):
            assert found[name][draw] == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_whole_contents_are_drawn_as_many_as_there_are():
    _, target, content, _ = data()
    counts = ContentBootstrap(target, content, draws=200).counts
    assert counts.shape == (200, 12) and set(counts.sum(1)) == {12.0}


def test_blocks_change_nothing(monkeypatch):
    prediction, target, content, pairs = data()
    bootstrap = ContentBootstrap(target, content, pairs, draws=50)
    whole = bootstrap.scores(prediction)
    parts = ContentBootstrap(target, content, pairs, draws=50)
    halves = [parts._block(prediction, parts.counts[:20]), parts._block(prediction, parts.counts[20:])]
    for name in SCORES:
        assert np.array_equal(np.concatenate([half[name] for half in halves]), whole[name])


def test_same_seed_same_interval_other_seed_another():
    prediction, target, content, pairs = data()
    ends = [
        interval(ContentBootstrap(target, content, pairs, draws=300, seed=seed).scores(prediction)["final"])
        for seed in (1, 1, 2)
    ]
    assert ends[0] == ends[1] != ends[2]


def test_versions_of_a_content_are_not_independent():
    prediction, target, _, _ = data(40, 7, ties=False)
    shared = np.repeat(np.random.default_rng(3).normal(0, 0.4, 40), 7)
    widths = []
    for content in ([str(i // 7) for i in range(280)], [str(i) for i in range(280)]):
        low, high = interval(ContentBootstrap(target, content).scores(prediction + shared)["srocc"])
        widths.append(high - low)
    assert widths[0] > 1.3 * widths[1]


def test_interval_holds_the_value_and_widens_with_fewer_contents():
    widths = []
    for contents in (80, 10):
        prediction, target, content, _ = data(contents, ties=False)
        low, high = interval(ContentBootstrap(target, content).scores(prediction)["srocc"])
        assert low < stats.spearmanr(prediction, target).statistic < high
        widths.append(high - low)
    assert widths[1] > 1.5 * widths[0]


def test_without_pairs_there_is_no_final():
    prediction, target, content, _ = data()
    draws = ContentBootstrap(target, content, draws=30).scores(prediction)
    assert np.isnan(draws["final"]).all() and np.isfinite(draws["final_no_rank"]).all()
    assert interval(draws["final"]) is None


def test_constant_predictions_have_no_interval():
    _, target, content, _ = data()
    draws = ContentBootstrap(target, content, draws=30).scores(np.full(60, 0.1))
    assert np.isnan(draws["plcc"]).all() and np.isnan(draws["srocc"]).all()


def test_interval_is_made_of_percentiles_of_known_draws():
    assert interval(np.arange(101)) == pytest.approx((2.5, 97.5))
    assert interval([math.nan] * 40 + list(range(101)), level=0.9) == pytest.approx((5, 95))
    assert interval([math.nan] * 60 + [1.0] * 40) is None


def test_paired_difference():
    prediction, target, content, pairs = data(60, ties=False)
    bootstrap = ContentBootstrap(target, content, pairs)
    worse = prediction + np.random.default_rng(5).normal(0, 0.4, 300)
    (low, high), ahead = difference(bootstrap, prediction, worse)
    assert 0 < low < high and ahead > 0.975
    assert difference(bootstrap, worse, prediction)[0] == pytest.approx((-high, -low))
    same, share = difference(bootstrap, prediction, prediction * 2 + 1)
    assert same == pytest.approx((0, 0), abs=1e-12) and 0 <= share <= 1


def test_a_paired_difference_is_narrower_than_the_scores():
    prediction, target, content, _ = data(60, ties=False)
    bootstrap = ContentBootstrap(target, content)
    near = prediction + np.random.default_rng(5).normal(0, 0.05, 300)
    low, high = difference(bootstrap, prediction, near, "srocc")[0]
    alone = interval(bootstrap.scores(prediction)["srocc"])
    assert high - low < 0.5 * (alone[1] - alone[0])


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="2 contents for 3 targets"):
        ContentBootstrap([1, 2, 3], ["a", "b"])
    with pytest.raises(ValueError, match="3 targets"):
        ContentBootstrap([1, 2, 3], ["a", "b", "c"]).scores([1, 2])


def test_two_sided_counts_the_smaller_side_twice_and_never_says_never():
    assert two_sided([-1.0, 0.0, 1.0, 2.0, math.nan]) == 1.0
    assert two_sided(np.arange(1, 101)) == 0.01
    assert two_sided(np.r_[-np.arange(1, 4), np.arange(1, 98)]) == 0.06
    assert two_sided([math.nan]) == 1.0
