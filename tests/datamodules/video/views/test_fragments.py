import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.video.draw import Draw
from datamodules.video.samplers import Clip, Uniform
from datamodules.video.views.fragments import Fragments, gathered, places

EVAL = Draw(id="a.mp4")


def train(epoch: int = 0) -> Draw:
    return Draw(0, epoch, "a.mp4", True)


@settings(deadline=None, max_examples=80)
@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    patch=st.sampled_from([1, 8, 15]),
    height=st.integers(16, 160),
    width=st.integers(16, 160),
    aspect=st.sampled_from(["square", "keep"]),
    draw=st.builds(Draw, st.integers(0, 3), st.integers(0, 3), st.just("a.mp4"), st.booleans()),
)
def test_any_frame_keeps_the_promise(noise, make_timeline, rows, columns, patch, height, width, aspect, draw):
    view = Fragments(Uniform(2), rows, columns, patch, aligned=1, aspect=aspect)
    assert len(view.frames(make_timeline(1), draw)) == 2
    picture = noise(height, width)
    slots = [view.render(picture, slot, draw) for slot in range(2)]
    assert view.shape == (2, 3, rows * patch, columns * patch)
    assert all(slot.dtype == torch.uint8 and tuple(slot.shape) == view.shape[1:] for slot in slots)
    assert all(slot.untyped_storage().nbytes() == slot.nbytes for slot in slots)
    assert torch.equal(slots[1], view.render(picture, 1, Draw(draw.seed, draw.epoch, "a.mp4", draw.train)))
    if not draw.train:
        assert torch.equal(slots[0], slots[1])
        assert torch.equal(slots[0], view.render(picture, 0, Draw(99, 99, "b.mp4", False)))


@settings(deadline=None, max_examples=100)
@given(
    layout=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    patch=st.integers(1, 32),
    more=st.tuples(st.integers(0, 4000), st.integers(0, 4000)),
    train_mode=st.booleans(),
    seed=st.integers(0, 100),
)
def test_patches_stay_in_their_cells(layout, patch, more, train_mode, seed):
    height, width = len(layout) * patch + more[0], max(layout) * patch + more[1]
    fractions = np.random.default_rng(seed).random((2, sum(layout)))
    top, left = places(height, width, layout, patch, fractions, train_mode)
    cell = height // len(layout)
    at = 0
    for row, count in enumerate(layout):
        for column in range(count):
            assert row * cell <= top[at] and top[at] + patch <= (row + 1) * cell
            assert column * (width // count) <= left[at] and left[at] + patch <= (column + 1) * (width // count)
            at += 1


def test_training_offsets_fill_the_half_open_range_of_fast_vqa():
    for fraction, offset in ((0.0, 0), (0.9999, 9)):
        top, left = places(42, 42, [1], 32, np.full((2, 1), fraction), True)
        assert (top[0], left[0]) == (offset, offset)


def test_gathered_windows_are_plain_slices(noise):
    rgb = noise(60, 47).rgb()
    top, left = np.array([0, 52, 17, 17]), np.array([0, 39, 3, 4])
    patches = gathered(rgb, top, left, 8)
    for patch, y, x in zip(patches, top, left, strict=True):
        assert np.array_equal(patch, rgb[y : y + 8, x : x + 8])
    strided = gathered(rgb[::2, ::3], np.array([1]), np.array([2]), 8)
    assert np.array_equal(strided[0], rgb[::2, ::3][1:9, 2:10])


def test_evaluation_pastes_the_middle_of_every_cell_in_reading_order(noise):
    view = Fragments(Uniform(1), rows=3, columns=2, patch=8)
    picture = noise(67, 50)
    mosaic = view.render(picture, 0, EVAL).permute(1, 2, 0).numpy()
    for row in range(3):
        for column in range(2):
            y, x = row * 22 + 7, column * 25 + 8
            pasted = mosaic[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
            assert np.array_equal(pasted, picture.rgb()[y : y + 8, x : x + 8])


@pytest.mark.parametrize("aligned", [1, 2, 4])
def test_aligned_slots_share_their_places(noise, aligned):
    view = Fragments(Uniform(8), 3, 3, 4, aligned=aligned)
    picture = noise(120, 90)
    slots = [view.render(picture, slot, train()) for slot in range(8)]
    for slot in range(8):
        same = slot // aligned * aligned
        assert torch.equal(slots[slot], slots[same])
        assert slot == same or slot % aligned
    assert len({slot.numpy().tobytes() for slot in slots}) == 8 // aligned


def test_training_moves_between_epochs_and_cells(coordinates):
    view = Fragments(Uniform(1), 2, 2, 4)
    seen = torch.stack([view.render(coordinates(100, 100), 0, train(epoch)) for epoch in range(60)])
    corner = seen[:, 0, 0, 0].long()
    assert corner.min() < 15 and 100 < corner.max() < 125
    offsets = seen[:, 0, 0, 0].long(), seen[:, 0, 0, 4].long()
    assert (offsets[0] != offsets[1]).any()


@pytest.mark.parametrize("aspect", ["square", "keep"])
@pytest.mark.parametrize("frame", [(180, 320), (120, 160), (320, 180), (16, 16), (100, 300), (64, 20)])
def test_small_frames_are_seen_whole(coordinates, frame, aspect):
    # Cells of the size before growing would see 29 to 45 % of the frame, all from its top left.
    view = Fragments(Uniform(1), aspect=aspect)
    mosaic = view.render(coordinates(*frame), 0, EVAL).long()
    for channel in (0, 1):
        values = mosaic[channel].unique()
        assert values.min() <= 25 and values.max() >= 230
        # Looks happen all along the axis: no gap wider than a cell.
        assert values.diff().max() <= 255 / 4


def test_a_frame_that_just_fits_is_seen_without_gap(noise):
    picture = noise(28, 21)
    view = Fragments(Uniform(1), rows=4, columns=3, patch=7)
    for draw in (EVAL, train()):
        assert np.array_equal(view.render(picture, 0, draw).permute(1, 2, 0).numpy(), picture.rgb())


@pytest.mark.parametrize("train_mode", [False, True])
def test_a_4k_portrait_frame_is_covered(coordinates, train_mode):
    view = Fragments(Uniform(1), 12, 12, 32, aspect="keep")
    mosaic = view.render(coordinates(3840, 2160), 0, Draw(0, 0, "a", train_mode)).long()
    assert mosaic.shape == (3, 384, 384)
    for channel in (0, 1):
        assert mosaic[channel].min() < 20 and mosaic[channel].max() > 235


def test_keep_makes_cells_square_and_uses_every_place():
    view = Fragments(Uniform(1), aspect="keep")
    for height, width, rows in ((1920, 1080, 9), (1080, 1920, 5), (500, 500, 7), (10, 4000, 1), (4000, 10, 49)):
        layout = view._layout(height, width)
        assert sum(layout) == 49 and len(layout) == rows
        assert max(layout) - min(layout) <= 1
    assert Fragments(Uniform(1), 9, 5, aspect="keep")._layout(1920, 1080) == [5] * 9


def test_temporal_cells_come_from_the_sampler(make_timeline):
    view = Fragments(Clip(32, 1.0, parts=8), aligned=4)
    assert len(view.frames(make_timeline(240), EVAL)) == 32


@pytest.mark.parametrize("name", ["rows", "columns", "patch", "aligned"])
def test_nonsense_is_refused_by_name(name):
    with pytest.raises(ValueError, match=name):
        Fragments(Uniform(1), **{name: 0})
