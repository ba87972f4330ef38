import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.video.draw import Draw
from datamodules.video.samplers import Uniform
from datamodules.video.views.assemble import render_views
from datamodules.video.views.key_frames import KeyFrames
from datamodules.video.views.local_crops import LocalCrops

EVAL = Draw(id="a.mp4")


def train(epoch: int = 0) -> Draw:
    return Draw(0, epoch, "a.mp4", True)


def centre(crop: torch.Tensor) -> tuple[float, float]:
    """Row and column of the middle of a crop of the coordinate picture, as shares of the frame."""
    return float(crop[0].float().mean() / 255), float(crop[1].float().mean() / 255)


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    crops=st.integers(1, 9),
    in_turn=st.booleans(),
    draw=st.builds(Draw, st.integers(0, 3), st.integers(0, 3), st.just("a.mp4"), st.booleans()),
)
def test_any_frame_keeps_the_promise(noise, make_timeline, height, width, crops, in_turn, draw):
    view = LocalCrops(Uniform(2), 24, crops, in_turn)
    wanted = view.frames(make_timeline(3), draw)
    assert len(wanted) == view.shape[0] == (2 if in_turn else 2 * crops)
    picture = noise(height, width)
    slots = [view.render(picture, slot, draw) for slot in range(len(wanted))]
    assert all(slot.dtype == torch.uint8 and tuple(slot.shape) == view.shape[1:] for slot in slots)
    assert all(slot.untyped_storage().nbytes() == slot.nbytes for slot in slots)
    assert torch.equal(slots[0], view.render(picture, 0, Draw(draw.seed, draw.epoch, "a.mp4", draw.train)))


@pytest.mark.parametrize("frame", [(384, 216), (216, 384), (300, 300)])
def test_four_crops_reach_all_quarters_of_the_frame(coordinates, frame):
    view = LocalCrops(Uniform(1), 60, 4)
    places = [centre(view.render(coordinates(*frame), slot, EVAL)) for slot in range(4)]
    for axis in (0, 1):
        along = [place[axis] for place in places]
        assert min(along) < 0.37 and max(along) > 0.63
    assert len({(round(y, 2), round(x, 2)) for y, x in places}) == 4
    # Balanced: none of the four pulls the middle of all to a side.
    assert np.mean(places, axis=0) == pytest.approx([0.5, 0.5], abs=0.05)


@pytest.mark.parametrize(("crops", "rows"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 5), (6, 3), (8, 4)])
def test_crops_stand_in_whole_rows_and_columns_of_a_portrait_frame(coordinates, crops, rows):
    view = LocalCrops(Uniform(1), 20, crops)
    places = [centre(view.render(coordinates(320, 180), slot, EVAL)) for slot in range(crops)]
    assert len({round(y, 2) for y, _ in places}) == rows
    assert len({round(x, 2) for _, x in places}) == crops // rows
    assert places == sorted(places)


def test_crops_are_native_pixels(noise):
    picture = noise(101, 51)
    crop = LocalCrops(Uniform(1), 11, 1).render(picture, 0, EVAL)
    assert np.array_equal(crop.permute(1, 2, 0).numpy(), picture.rgb()[45:56, 20:31])
    assert torch.equal(crop, KeyFrames(Uniform(1), 11, "none").render(picture, 0, EVAL))


def test_frames_take_the_places_in_turn(coordinates):
    each, turn = LocalCrops(Uniform(6), 20, 4), LocalCrops(Uniform(6), 20, 4, in_turn=True)
    picture = coordinates(200, 200)
    for draw in (EVAL, train(3)):
        places = [each.render(picture, slot, draw) for slot in range(24)]
        assert all(torch.equal(places[slot], places[slot % 4]) for slot in range(24))
        assert all(torch.equal(turn.render(picture, slot, draw), places[slot % 4]) for slot in range(6))


def test_slots_stand_frame_by_frame(make_reader, make_timeline, noise):
    def make(index: int):
        picture = noise(40, 40, index)
        picture.rgb()[:] = index
        return picture

    views = {"each": LocalCrops(Uniform(2), 8, 3), "turn": LocalCrops(Uniform(2), 8, 3, in_turn=True)}
    found = render_views(make_reader(make_timeline(100), make), views, EVAL)
    assert found["each"][:, 0, 0, 0].tolist() == [25, 25, 25, 75, 75, 75]
    assert found["turn"][:, 0, 0, 0].tolist() == [25, 75]


@pytest.mark.parametrize("frame", [(240, 200), (200, 240)])
def test_training_draws_once_a_video_and_reaches_all_of_the_frame(coordinates, frame):
    view = LocalCrops(Uniform(3), 20, 4, flip=False)
    picture = coordinates(*frame)
    seen = []
    for epoch in range(60):
        slots = [view.render(picture, slot, train(epoch)) for slot in range(12)]
        assert all(torch.equal(slots[slot], slots[slot % 4]) for slot in range(12))
        seen.append([centre(slot) for slot in slots[:4]])
    places = np.array(seen)
    assert places.min() < 0.07 and places.max() > 0.93
    assert (np.ptp(places, axis=0) > 0.25).all()
    # The four keep to quarters of their own.
    for axis, sides in ((0, [0, 0, 1, 1]), (1, [0, 1, 0, 1])):
        assert ((places[..., axis] > 0.5) == np.array(sides)).mean() > 0.97


def test_training_mirrors_half_of_the_videos_together_with_other_views(coordinates):
    picture = coordinates(64, 64)
    mirrored = []
    for epoch in range(40):
        crops = [LocalCrops(Uniform(1), 16, 2).render(picture, slot, train(epoch)) for slot in (0, 1)]
        frame = KeyFrames(Uniform(1), 16).render(picture, 0, train(epoch))
        flags = {bool(image[1, 0, 0] > image[1, 0, -1]) for image in (*crops, frame)}
        assert len(flags) == 1
        mirrored += flags
    assert 8 < sum(mirrored) < 32


@pytest.mark.parametrize("name", ["size", "crops"])
def test_nonsense_is_refused_by_name(name):
    with pytest.raises(ValueError, match=name):
        LocalCrops(Uniform(1), **{name: 0})
