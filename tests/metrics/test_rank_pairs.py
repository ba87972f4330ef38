"""Rank-pair accuracy by the official rule, and proxies from labels."""

import math

import numpy as np
import pytest

from metrics.rank_pairs import RankAccuracy, accuracy_of, proxy_pairs, rank_accuracy

PAIRS = [("a", "b", 1), ("b", "a", 2), ("a", "c", 2), ("c", "d", 1), ("d", "c", 2)]
SCORES = {"a": 3.0, "b": 1.0, "c": 2.0, "d": 2.0}


def test_official_rule_counts_a_tie_as_rank_one():
    assert rank_accuracy(PAIRS, SCORES) == RankAccuracy(3 / 5, 5, 2)


def test_half_a_point_for_a_tie():
    assert rank_accuracy(PAIRS, SCORES, "half") == RankAccuracy(3 / 5, 5, 2)
    assert rank_accuracy(PAIRS[3:4], SCORES, "half").accuracy == 0.5
    assert rank_accuracy(PAIRS[3:4], SCORES).accuracy == 1.0


def test_a_constant_model_earns_the_share_of_rank_one():
    assert rank_accuracy(PAIRS, dict.fromkeys("abcd", 1.0)) == RankAccuracy(2 / 5, 5, 5)


def test_missing_and_non_finite_predictions_are_named():
    with pytest.raises(ValueError, match=r"2 files of the pairs have no prediction: b, d"):
        rank_accuracy(PAIRS, {"a": 1.0, "c": 2.0})
    with pytest.raises(ValueError, match=r"1 files .* not finite: d"):
        rank_accuracy(PAIRS, {**SCORES, "d": math.nan})


def test_many_missing_names_are_counted():
    with pytest.raises(ValueError, match="and 12 more"):
        rank_accuracy([(f"{i}", f"{i}x", 1) for i in range(11)], {})


def test_no_pairs():
    result = rank_accuracy([], {})
    assert math.isnan(result.accuracy) and (result.n, result.ties) == (0, 0)


def test_proxy_pairs_equal_a_double_loop():
    generator = np.random.default_rng(0)
    y = np.round(generator.normal(3, 0.5, 60) * 20) / 20
    content = [str(i // 4) for i in range(60)]
    expected = {"nonsource": [], "source": []}
    for i in range(60):
        for j in range(i + 1, 60):
            gap, rank = round(abs(y[i] - y[j]), 9), 1 if y[i] > y[j] else 2
            if content[i] == content[j] and gap >= 0.25:
                expected["source"].append([i, j, rank])
            if content[i] != content[j] and 0.05 <= gap <= 0.25:
                expected["nonsource"].append([i, j, rank])
    found = proxy_pairs(y, content)
    assert found.source.tolist() == expected["source"] and found.nonsource.tolist() == expected["nonsource"]
    assert len(found.source) > 10 and len(found.nonsource) > 100


def test_proxy_pairs_agree_with_the_labels_they_come_from():
    y = np.random.default_rng(1).normal(3, 0.5, 40)
    for table in proxy_pairs(y, [str(i // 4) for i in range(40)]):
        assert accuracy_of(y[table[:, 0]], y[table[:, 1]], table[:, 2]).accuracy == 1.0


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows_for_a_proxy(n):
    assert [len(table) for table in proxy_pairs([3.0] * n, ["a"] * n)] == [0, 0]


def test_proxies_of_the_real_labels(shared_data):
    from records.labels import read_labels

    labels = read_labels(shared_data / "labels" / "kvq_train.csv")[:420]
    y, content = [label.score for label in labels], [label.content for label in labels]
    tables = proxy_pairs(y, content)
    assert all(len(table) > 200 for table in tables)
    assert {content[i] == content[j] for i, j, _ in tables.source} == {True}
