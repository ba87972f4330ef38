import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.video.draw import Draw
from datamodules.video.samplers import OnePerSecond, Uniform
from datamodules.video.views.key_frames import KeyFrames

EVAL = Draw(id="a.mp4")
# Portrait, landscape, square, odd, tiny, extreme; 4K stands in its own test.
SIZES = [(192, 108), (108, 192), (96, 96), (97, 61), (16, 16), (16, 200), (64, 33)]


def train(seed: int = 0, epoch: int = 0, name: str = "a.mp4") -> Draw:
    return Draw(seed, epoch, name, True)


@settings(deadline=None, max_examples=80)
@given(
    size=st.sampled_from([1, 17, 48, 64]),
    frame=st.sampled_from(SIZES),
    resize=st.sampled_from(["short", "stretch", "none"]),
    crops=st.integers(1, 3),
    draw=st.builds(Draw, st.integers(0, 3), st.integers(0, 3), st.just("a.mp4"), st.booleans()),
)
def test_any_frame_keeps_the_promise(noise, make_timeline, size, frame, resize, crops, draw):
    view = KeyFrames(Uniform(2), size, resize, crops=1 if resize == "stretch" else crops)
    wanted = view.frames(make_timeline(5), draw)
    assert len(wanted) == view.shape[0]
    picture = noise(*frame)
    slots = [view.render(picture, slot, draw) for slot in range(len(wanted))]
    assert all(slot.dtype == torch.uint8 and tuple(slot.shape) == view.shape[1:] for slot in slots)
    assert all(slot.untyped_storage().nbytes() == slot.nbytes for slot in slots)
    again = view.render(picture, len(wanted) - 1, Draw(draw.seed, draw.epoch, "a.mp4", draw.train))
    assert torch.equal(again, slots[-1])
    if not draw.train:
        assert torch.equal(view.render(picture, 0, Draw(99, 99, "b.mp4", False)), slots[0])


@pytest.mark.parametrize("resize", ["short", "stretch", "none"])
def test_a_4k_portrait_frame_keeps_the_promise(coordinates, resize):
    assert KeyFrames(Uniform(1), 384, resize).render(coordinates(3840, 2160), 0, EVAL).shape == (3, 384, 384)


@pytest.mark.parametrize("resize", ["short", "none"])
def test_one_place_and_one_mirroring_for_all_frames_of_a_video(noise, resize):
    view = KeyFrames(Uniform(4), 32, resize)
    same = noise(96, 200)
    for epoch in range(10):
        slots = [view.render(same, slot, train(epoch=epoch)) for slot in range(4)]
        assert all(torch.equal(slot, slots[0]) for slot in slots)


def test_views_of_one_video_agree_on_place_and_mirroring(noise):
    picture = noise(96, 200)
    for epoch in range(10):
        one = KeyFrames(Uniform(1), 32).render(picture, 0, train(epoch=epoch))
        other = KeyFrames(OnePerSecond(4), 32, crops=1).render(picture, 3, train(epoch=epoch))
        assert torch.equal(one, other)


def test_training_moves_and_mirrors_between_videos_and_epochs(coordinates):
    view = KeyFrames(Uniform(1), 32, "none")
    picture = coordinates(200, 200)
    crops = [view.render(picture, 0, train(epoch=epoch)) for epoch in range(40)]
    mirrored = [bool(crop[1, 0, 0] > crop[1, 0, -1]) for crop in crops]
    assert 8 < sum(mirrored) < 32
    tops = {int(crop[0, 0, 0]) for crop in crops}
    assert len(tops) > 20 and min(tops) < 40 and max(tops) > 170
    still = KeyFrames(Uniform(1), 32, "none", flip=False)
    crops = [still.render(picture, 0, train(epoch=epoch)) for epoch in range(10)]
    assert not any(bool(crop[1, 0, 0] > crop[1, 0, -1]) for crop in crops)


def test_training_reaches_every_place(coordinates):
    view = KeyFrames(Uniform(1), 3, "none", flip=False)
    picture = coordinates(5, 5)
    places = {tuple(view.render(picture, 0, train(epoch=epoch))[:2, 0, 0].tolist()) for epoch in range(200)}
    assert len(places) == 9


def test_evaluation_takes_the_centre(coordinates):
    picture = coordinates(101, 51)
    crop = KeyFrames(Uniform(1), 11, "none").render(picture, 0, EVAL)
    assert np.array_equal(crop.permute(1, 2, 0).numpy(), picture.rgb()[45:56, 20:31])
    short = KeyFrames(Uniform(1), 51, "short").render(picture, 0, EVAL)
    assert np.array_equal(short.permute(1, 2, 0).numpy(), picture.rgb()[25:76])


def test_short_keeps_the_aspect_ratio_and_stretch_does_not(coordinates):
    picture = coordinates(400, 200)
    short = KeyFrames(Uniform(1), 50, "short").render(picture, 0, EVAL).long()
    stretch = KeyFrames(Uniform(1), 50, "stretch").render(picture, 0, EVAL).long()
    assert 55 < short[0, 0, 0] < 72 and short[0, -1, 0] - short[0, 0, 0] == pytest.approx(127, abs=6)
    assert stretch[0, 0, 0] < 6 and stretch[0, -1, 0] > 249 and stretch[1, 0, -1] > 249


def test_native_crops_spread_along_the_longer_side(coordinates):
    view = KeyFrames(OnePerSecond(2), 20, "none", crops=2)
    for height, width, axis in ((200, 100, 0), (100, 200, 1)):
        picture = coordinates(height, width)
        first, second = (view.render(picture, slot, EVAL)[axis].long().float().mean() / 255 for slot in (0, 1))
        assert first == pytest.approx(0.05 + 0.9 * 0.25, abs=0.02)
        assert second == pytest.approx(0.05 + 0.9 * 0.75, abs=0.02)
    assert view.shape == (4, 3, 20, 20)


def test_slots_of_one_frame_stand_together(make_timeline):
    assert KeyFrames(OnePerSecond(2), 20, "none", crops=2).frames(make_timeline(60), EVAL) == [0, 0, 30, 30]


def test_training_crops_of_a_frame_keep_to_their_own_range(coordinates):
    view = KeyFrames(Uniform(1), 20, "none", crops=2, flip=False)
    picture = coordinates(256, 64)
    for epoch in range(20):
        rows = [int(view.render(picture, slot, train(epoch=epoch))[0, 0, 0]) for slot in (0, 1)]
        assert rows[0] <= 118 <= rows[1]


@pytest.mark.parametrize("train_mode", [False, True])
def test_frames_smaller_than_a_native_crop_grow_with_their_new_size(coordinates, train_mode):
    # 40 x 20 becomes 128 x 64: a size kept from before would see only the top left.
    view = KeyFrames(Uniform(1), 64, "none", crops=2, flip=False)
    rows = torch.cat(
        [
            view.render(coordinates(40, 20), slot, Draw(0, e, "a", train_mode))[0].flatten().long()
            for slot in (0, 1)
            for e in range(8)
        ]
    )
    columns = view.render(coordinates(40, 20), 0, EVAL)[1].long()
    assert rows.max() > 185 and rows.min() < 70
    assert columns.min() < 10 and columns.max() > 245


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"size": 0}, "size"),
        ({"size": 8, "crops": 0}, "crops"),
        ({"size": 8, "crops": 2, "resize": "stretch"}, "crops"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, word):
    with pytest.raises(ValueError, match=word):
        KeyFrames(Uniform(1), **arguments)


def test_the_signature_holds_the_sampler():
    assert KeyFrames(Uniform(4), 64).signature() == {
        "class": "datamodules.video.views.key_frames.KeyFrames",
        "sampler": {"class": "datamodules.video.samplers.Uniform", "count": 4},
        "size": 64,
        "resize": "short",
        "crops": 1,
        "flip": True,
    }
