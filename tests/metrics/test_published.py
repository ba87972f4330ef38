"""Published figures and how they may stand beside ours."""

import pytest

from metrics.challenge import final_score
from metrics.published import KVQ, KVQ_TEST_IDS, beside


@pytest.mark.parametrize("row", [row for row in KVQ if row.srocc is not None], ids=lambda row: row.system)
def test_the_published_parts_give_the_published_score(row):
    found = final_score(row.srocc, row.plcc, row.rank_nonsource, row.rank_source)
    assert found == pytest.approx(row.final, abs=1.1e-4)


def test_every_row_names_its_data_and_source():
    assert all(row.data and row.source for row in KVQ)
    assert len(KVQ_TEST_IDS) == 854 and {"test/0001.mp4", "test/0854.mp4"} <= KVQ_TEST_IDS


def test_a_bound_is_never_below_ours():
    bound = next(row for row in KVQ if row.at_least)
    assert beside(bound, (0.95, 0.96), True) == "not ranked"
    assert beside(bound, (0.80, 0.85), True) == "above ours"


def test_without_a_final_score_nothing_is_ranked():
    assert {beside(row, None, True) for row in KVQ} == {"not ranked"}
