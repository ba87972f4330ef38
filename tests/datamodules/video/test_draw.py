import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.video.draw import Draw


def numbers(draw: Draw, purpose: str = "crop") -> list[float]:
    return torch.rand(4, generator=draw.generator(purpose)).tolist()


def test_training_draws_depend_on_seed_epoch_id_and_purpose():
    base = Draw(seed=1, epoch=2, id="a/b.mp4", train=True)
    assert numbers(base) == numbers(Draw(1, 2, "a/b.mp4", True))
    others = [Draw(2, 2, "a/b.mp4", True), Draw(1, 3, "a/b.mp4", True), Draw(1, 2, "a/c.mp4", True)]
    seen = [numbers(draw) for draw in (base, *others)] + [numbers(base, "flip")]
    assert len({tuple(row) for row in seen}) == 5


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**40), epoch=st.integers(0, 10**6), name=st.text(max_size=20))
def test_evaluation_draws_ignore_seed_and_epoch(seed: int, epoch: int, name: str):
    assert numbers(Draw(seed, epoch, name)) == numbers(Draw(0, 0, name))
    assert Draw(seed, epoch, name).uniform("crop", 3) == [0.5, 0.5, 0.5]


def test_a_draw_has_no_state():
    draw = Draw(3, 0, "x.mp4", True)
    first = numbers(draw)
    numbers(draw, "another")
    torch.rand(10)
    assert numbers(draw) == first


def test_known_values_stay():
    # Pinned: a change here changes the crops of every published run.
    draw = Draw(7, 1, "train/0001.mp4", True)
    assert draw.generator("crop 0").initial_seed() == 2314491897732467250
    assert draw.uniform("crop 0", 2) == [0.4987642600331238, 0.7518966085906196]
    assert Draw(id="train/0001.mp4").generator("crop 0").initial_seed() == 137524213497283903
