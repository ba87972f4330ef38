"""The stream of passes: whole, the same on any number of ranks, and gone on with where it stopped."""

from collections import Counter

import pytest

from datamodules.image.order import ImageOrder


def read(count, batch_size, epochs, *, world=1, **arguments):
    """Batches of all ranks, step by step, as one batch each."""
    batches = []
    for epoch in range(epochs):
        parts = []
        for rank in range(world):
            order = ImageOrder(count, batch_size, seed=3, rank=rank, world=world, **arguments)
            order.set_epoch(epoch)
            keys = list(order)
            assert len(keys) == len(order)
            parts.append([keys[at : at + batch_size] for at in range(0, len(keys), batch_size)])
        batches += [[key for part in step for key in part] for step in zip(*parts, strict=True)]
    return batches


@pytest.mark.parametrize("count, batch_size, epoch_size", [(10, 4, None), (3, 8, None), (7, 2, 30), (50, 4, 12)])
def test_no_image_is_lost_and_none_comes_twice_before_all_came(count, batch_size, epoch_size):
    keys = [key for batch in read(count, batch_size, 6, epoch_size=epoch_size) for key in batch]
    assert len(keys) >= 6 * (epoch_size or count)
    assert [turn for turn, _ in keys] == [number // count for number in range(len(keys))]
    seen = Counter(place for _, place in keys)
    assert set(seen) <= set(range(count)) and max(seen.values()) - min(seen.values()) <= 1
    assert len(set(keys)) == len(keys)  # so no two windows are drawn alike


def test_steps_are_rounded_up_to_whole_batches():
    assert len(ImageOrder(10, 4, seed=0)) == 12
    assert len(ImageOrder(10, 4, seed=0, epoch_size=100, world=2)) == 13 * 4


@pytest.mark.parametrize("world, batch_size", [(2, 4), (4, 2), (8, 1)])
def test_ranks_share_the_batches_of_one_process(world, batch_size):
    assert read(19, batch_size, 5, world=world) == read(19, 8, 5)


def test_passes_and_seeds_differ():
    first, second = read(20, 20, 2)
    assert [place for _, place in first] != [place for _, place in second]
    assert first != list(ImageOrder(20, 20, seed=4))


def test_an_epoch_is_gone_on_with_in_its_middle():
    whole = [key for batch in read(10, 4, 3) for key in batch]
    resumed = ImageOrder(10, 4, seed=3, progress=lambda: (1, 2))
    assert list(resumed) == whole[12 + 8 : 24]
