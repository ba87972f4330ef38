import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.video.draw import Draw
from datamodules.video.samplers import OnePerSecond, Uniform
from datamodules.video.views.assemble import render_views
from datamodules.video.views.patches import NativePatches

EVAL = Draw(id="a.mp4")


@settings(deadline=None, max_examples=60)
@given(
    frame=st.sampled_from([(16, 16), (16, 200), (96, 54), (64, 33), (47, 48), (130, 97), (97, 130)]),
    patch=st.sampled_from([1, 16, 48]),
    stride=st.sampled_from([1, 7, 32]),
    count=st.integers(1, 15),
    train=st.booleans(),
)
def test_any_frame_keeps_the_promise(noise, frame, patch, stride, count, train):
    view, picture = NativePatches(Uniform(1), patch, stride, count), noise(*frame)
    patches = view.render(picture, 0, Draw(1, 2, "b.mp4", train))
    assert tuple(patches.shape) == view.shape and patches.dtype == torch.uint8
    assert patches.untyped_storage().nbytes() == patches.nbytes
    assert torch.equal(patches, view.render(picture, 0, EVAL))


def test_a_4k_portrait_frame_is_seen_from_corner_to_corner(coordinates):
    patches = NativePatches(Uniform(1)).render(coordinates(3840, 2160), 0, EVAL).long()
    assert patches.shape == (15, 3, 224, 224)
    assert patches[0, :2].amin() == 0 and patches[-1, 0].max() >= 253 and patches[-1, 1].max() >= 251
    tops = patches[:, 0, 0, 0]
    assert tops.diff().min() > 10 and tops.diff().max() < 25


def test_patches_are_pixels_of_their_own(noise):
    picture = noise(50, 70)
    patches = NativePatches(Uniform(1), 32, 8, 4).render(picture, 0, EVAL)
    # Three rows of five places: the 15 are thinned to places 0, 5, 9 and 14.
    for patch, (top, left) in zip(patches, [(0, 0), (8, 0), (8, 32), (16, 32)], strict=True):
        assert np.array_equal(patch.permute(1, 2, 0).numpy(), picture.rgb()[top : top + 32, left : left + 32])


@pytest.mark.parametrize(("size", "places"), [((224, 224), 1), ((224, 288), 3), ((288, 320), 12)])
def test_a_frame_with_few_places_gives_all_of_them(noise, size, places):
    patches = NativePatches(Uniform(1)).render(noise(*size), 0, EVAL)
    assert len({patch.numpy().tobytes() for patch in patches}) == places


def test_a_small_frame_grows_with_its_aspect_ratio(coordinates):
    for height, width in ((16, 16), (90, 160), (160, 90)):
        patches = NativePatches(Uniform(1)).render(coordinates(height, width), 0, EVAL).long()
        assert patches.shape == (15, 3, 224, 224)
        # All of the frame is seen but for less than a stride at the far end.
        assert patches[:, 0].min() < 12 and patches[:, 1].min() < 12
        assert patches[:, 0].max() > 215 and patches[:, 1].max() > 215


def test_frames_stand_one_after_the_other(make_reader, make_timeline, noise):
    view = NativePatches(OnePerSecond(3), 16, 16, 2)
    reader = make_reader(make_timeline(90, height=40, width=40), lambda index: noise(40, 40, index))
    patches = render_views(reader, {"patches": view}, EVAL)["patches"]
    assert tuple(patches.shape) == view.shape == (6, 3, 16, 16)
    assert reader.delivered == [0, 30, 60]
    for frame, index in enumerate((0, 30, 60)):
        assert torch.equal(patches[2 * frame : 2 * frame + 2], view.render(noise(40, 40, index), frame, EVAL))


@pytest.mark.parametrize("name", ["patch", "stride", "count"])
def test_nonsense_is_refused_by_name(name):
    with pytest.raises(ValueError, match=name):
        NativePatches(Uniform(1), **{name: 0})


def test_the_signature_holds_the_sampler():
    assert NativePatches(Uniform(4)).signature() == {
        "class": "datamodules.video.views.patches.NativePatches",
        "sampler": {"class": "datamodules.video.samplers.Uniform", "count": 4},
        "patch": 224,
        "stride": 32,
        "count": 15,
    }
