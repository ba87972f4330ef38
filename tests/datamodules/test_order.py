"""Orders are functions of (seed, epoch), whole on every rank, and go on where they stopped."""

import math
from collections import Counter

import pytest

from datamodules.order import EvaluationOrder, TrainOrder, epoch_order

CONTENTS = [f"c{place // 7}" for place in range(28 * 7)]


def batches(order: list, size: int) -> list[list]:
    return [order[start : start + size] for start in range(0, len(order), size)]


def whole(batch: list[int]) -> list[str]:
    return [content for content, count in Counter(CONTENTS[place] for place in batch).items() if count == 7]


@pytest.mark.parametrize("ladders", [0, 2])
def test_every_clip_at_most_once_and_only_the_last_short_batch_is_left_out(ladders):
    order = epoch_order(CONTENTS, 18, seed=3, epoch=5, ladders=ladders)
    assert len(order) == 196 // 18 * 18
    assert len(set(order)) == len(order)
    assert set(order) <= set(range(196))


@pytest.mark.parametrize("ladders", [0, 2])
def test_order_changes_with_seed_and_epoch_and_with_nothing_else(ladders):
    def order(seed, epoch):
        return epoch_order(CONTENTS, 18, seed=seed, epoch=epoch, ladders=ladders)

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


def test_half_of_the_batches_hold_whole_contents():
    contents = [f"c{place // 7}" for place in range(400 * 7)]
    counts = []
    for epoch in range(5):
        order = epoch_order(contents, 28, seed=0, epoch=epoch, ladders=4, probability=0.5)
        for batch in batches(order, 28):
            counts.append(len({contents[place] for place in batch}) == 4)
    share, sd = sum(counts) / len(counts), math.sqrt(0.25 / len(counts))
    assert abs(share - 0.5) < 4 * sd


def test_a_batch_larger_than_its_contents_is_filled_up_at_random():
    order = epoch_order(CONTENTS, 20, seed=0, epoch=0, ladders=2, probability=1.0)
    found = batches(order, 20)
    assert all(len(batch) == 20 for batch in found)
    assert len(whole(found[0])) == 2
    assert len(set(order)) == len(order)


def test_clips_alone_are_no_ladders_and_an_epoch_without_ladders_left_goes_on():
    contents = ["pair", "pair", *(f"single {place}" for place in range(10))]
    order = epoch_order(contents, 4, seed=0, epoch=0, ladders=1, probability=1.0)
    assert sorted(order) == list(range(12))
    assert {0, 1} <= set(order[:4])


def test_contents_that_do_not_fit_a_batch_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        epoch_order(CONTENTS, 20, seed=0, epoch=0, ladders=3)


@pytest.mark.parametrize("ladders", [0, 1])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_share_an_epoch_in_equal_batches(world, ladders):
    orders = [
        [place for _, place in TrainOrder(CONTENTS, 8, seed=0, rank=rank, world=world, ladders=ladders)]
        for rank in range(world)
    ]
    assert {len(order) for order in orders} == {196 // (8 * world) * 8}
    everything = [place for order in orders for place in order]
    assert len(set(everything)) == len(everything) == 196 // (8 * world) * 8 * world


def test_the_ranks_of_a_step_see_what_one_process_with_a_larger_batch_sees():
    one = [place for _, place in TrainOrder(CONTENTS, 16, seed=0)]
    two = [[place for _, place in TrainOrder(CONTENTS, 8, seed=0, rank=rank, world=2)] for rank in range(2)]
    for step in range(196 // 16):
        together = two[0][step * 8 : step * 8 + 8] + two[1][step * 8 : step * 8 + 8]
        assert set(together) == set(one[step * 16 : step * 16 + 16])


@pytest.mark.parametrize("ladders", [0, 1])
@pytest.mark.parametrize("done", [0, 1, 7, 12])
def test_first_half_and_resumed_half_are_the_whole_epoch(done, ladders):
    def order(progress):
        return list(TrainOrder(CONTENTS, 8, seed=0, rank=1, world=2, ladders=ladders, progress=lambda: progress))

    full = order((4, 0))
    assert len(full) == 12 * 8
    assert full[: done * 8] + order((4, done)) == full
    assert {epoch for epoch, _ in full} == {4}


def test_length_is_that_of_the_whole_epoch_when_resumed():
    order = TrainOrder(CONTENTS, 8, seed=0, progress=lambda: (0, 20))
    assert len(order) == 24 * 8
    assert len(list(order)) == 4 * 8


def test_without_a_trainer_the_epoch_is_the_one_set():
    order = TrainOrder(CONTENTS, 8, seed=0)
    first = list(order)
    order.set_epoch(1)
    assert list(order) != first
    assert {epoch for epoch, _ in order} == {1}


@pytest.mark.parametrize("world", [1, 2, 4])
def test_evaluation_gives_every_clip_to_exactly_one_rank(world):
    orders = [EvaluationOrder(9, rank=rank, world=world) for rank in range(world)]
    assert sorted(place for order in orders for place in order) == list(range(9))
    assert [len(order) for order in orders] == [len(list(order)) for order in orders]
