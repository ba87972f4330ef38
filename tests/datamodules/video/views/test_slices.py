import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.video.draw import Draw
from datamodules.video.samplers import FrameSampler, Uniform
from datamodules.video.views.assemble import read_views, render_views
from datamodules.video.views.key_frames import KeyFrames
from datamodules.video.views.overlay import overlay
from datamodules.video.views.slices import DensitySlices
from tests.tiny_kvq import write_clip

EVAL = Draw(id="a.mp4")


def train(epoch: int = 0) -> Draw:
    return Draw(0, epoch, "a.mp4", True)


class Fixed(FrameSampler):
    """Any list of frames."""

    def __init__(self, taken: list[int]) -> None:
        self.taken, self.count = taken, len(taken)

    def indices(self, timeline, draw) -> list[int]:
        return self.taken


@pytest.fixture
def moving(make_reader, make_timeline, noise):
    """A reader of flat frames of level 7 i with one noisy tile of 32 px, at place i in reading order of 3 x 4."""

    def make(index: int):
        picture = noise(96, 128, index)
        row, column = divmod(index % 12, 4)
        top, left = 32 * row, 32 * column
        seen = picture.rgb()[top : top + 32, left : left + 32].copy()
        picture.rgb()[:] = 7 * index
        picture.rgb()[top : top + 32, left : left + 32] = seen
        return picture

    return make_reader(make_timeline(12, height=96, width=128), make)


def noisy_slots(tensor: torch.Tensor) -> list[int]:
    return [slot for slot, tile in enumerate(tensor.float()) if tile.std() > 20]


def test_tiles_are_chosen_on_the_middle_key_frame_for_all_frames(moving):
    for taken, middle in (([5], 0), ([2, 5], 0), ([2, 5, 9], 1), ([9, 2, 5], 2), ([0, 1, 2, 3, 4], 2)):
        view = DensitySlices(Fixed(taken), tiles=1, size=32)
        tensor = render_views(moving, {"x": view}, EVAL)["x"]
        assert noisy_slots(tensor) == [middle]
        levels = [int(tile.float().median()) for slot, tile in enumerate(tensor) if slot != middle]
        assert levels == [7 * index for slot, index in enumerate(taken) if slot != middle]


def test_each_frame_may_have_its_own_tiles(moving):
    view = DensitySlices(Fixed([2, 5, 9]), tiles=1, size=32, per_frame=True)
    assert noisy_slots(render_views(moving, {"x": view}, EVAL)["x"]) == [0, 1, 2]


def test_tiles_are_native_pixels_frame_by_frame_in_reading_order(noise):
    view = DensitySlices(Uniform(1), tiles=6, size=40)
    picture = noise(120, 80)
    tiles = view.render(picture, 0, EVAL).permute(0, 2, 3, 1).numpy()
    for place, (row, column) in enumerate(np.ndindex(3, 2)):
        wanted = picture.rgb()[40 * row : 40 * row + 40, 40 * column : 40 * column + 40]
        assert np.array_equal(tiles[place], wanted)


@pytest.mark.parametrize(("count", "calls"), [(1, 1), (2, 1), (9, 1), (10, 1), (11, 2), (40, 2)])
def test_frames_are_decoded_once_and_few_are_held(make_reader, make_timeline, noise, count, calls):
    alive: list[weakref.ref] = []
    most = 0

    def make(index: int):
        nonlocal most
        picture = noise(64, 48, index)
        alive.append(weakref.ref(picture.rgb()))
        most = max(most, sum(ref() is not None for ref in alive))
        return picture

    class Reader(make_reader):
        def pictures(self, indices):
            self.calls += 1
            # No local name: a generator would hold the picture it yielded last.
            return (make(index) for index in indices)

    views = {"slices": DensitySlices(Uniform(count), tiles=2, size=16), "frames": KeyFrames(Uniform(count), 16)}
    reader = Reader(make_timeline(80), make)
    tensors = render_views(reader, views, EVAL)
    assert reader.calls == calls and most <= 5
    assert tensors["slices"].shape == (2 * count, 3, 16, 16)


def test_tiles_do_not_depend_on_how_the_look_was_taken(make_reader, make_timeline, noise):
    read = lambda count: render_views(  # noqa: E731
        make_reader(make_timeline(90), lambda index: noise(64, 48, index)),
        {"x": DensitySlices(Fixed(list(range(count))), tiles=2, size=16, threshold=0.95)},
        EVAL,
    )["x"]
    # Eleven frames have five before their middle, which is then looked at in a pass of its own; nine have four.
    for count, middle in ((11, 5), (9, 4)):
        view = DensitySlices(Uniform(1), tiles=2, size=16, threshold=0.95).seen(noise(64, 48, middle), EVAL)
        assert torch.equal(read(count), torch.cat([view.render(noise(64, 48, at), 0, EVAL) for at in range(count)]))


def test_the_view_remembers_no_video(noise):
    view = DensitySlices(Uniform(1), tiles=2, size=16)
    before = view.render(noise(64, 48, 1), 0, EVAL)
    view.seen(noise(64, 48, 2), EVAL)
    assert torch.equal(view.render(noise(64, 48, 1), 0, EVAL), before)
    assert view.signature() == view.seen(noise(64, 48, 3), EVAL).signature()


def test_training_mirrors_half_of_the_videos_and_never_moves_a_tile(noise):
    view = DensitySlices(Uniform(2), tiles=3, size=16)
    picture = noise(64, 80)
    straight = view.render(picture, 0, EVAL)
    seen = [[view.render(picture, slot, train(epoch)) for slot in (0, 1)] for epoch in range(40)]
    assert all(torch.equal(first, second) for first, second in seen)
    mirrored = [torch.equal(first, straight.flip(-1)) for first, _ in seen]
    assert all(flag or torch.equal(first, straight) for flag, (first, _) in zip(mirrored, seen, strict=True))
    assert 8 < sum(mirrored) < 32
    frames = KeyFrames(Uniform(1), 64)
    for epoch, flag in enumerate(mirrored[:10]):
        assert torch.equal(frames.render(noise(64, 64), 0, train(epoch)), frames.render(noise(64, 64), 0, EVAL)) != flag
    still = DensitySlices(Uniform(1), tiles=3, size=16, flip=False)
    assert all(torch.equal(still.render(picture, 0, train(epoch)), straight) for epoch in range(10))


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    tiles=st.integers(1, 6),
    border=st.sampled_from([0, 0.1, 0.4]),
    cap=st.sampled_from([None, 1]),
    measure=st.sampled_from(["density", "relative", "variance"]),
    draw=st.builds(Draw, st.integers(0, 3), st.integers(0, 3), st.just("a.mp4"), st.booleans()),
)
def test_any_frame_keeps_the_promise(noise, height, width, tiles, border, cap, measure, draw):
    view = DensitySlices(Uniform(1), tiles, 24, 0.5, measure, border_margin=border, row_cap=cap)
    slot = view.render(noise(height, width), 0, draw)
    assert slot.dtype == torch.uint8 and tuple(slot.shape) == view.shape == (tiles, 3, 24, 24)
    assert slot.is_contiguous() and slot.untyped_storage().nbytes() == slot.nbytes
    assert torch.equal(slot, view.render(noise(height, width), 0, draw))


def test_the_border_is_left_alone(noise):
    picture = noise(200, 200)
    picture.rgb()[20:180, 20:180] = 90
    tiles = DensitySlices(Uniform(1), tiles=4, size=80, border_margin=0.1).render(picture, 0, EVAL)
    assert (tiles == 90).all()
    assert (DensitySlices(Uniform(1), tiles=4, size=80).render(picture, 0, EVAL) != 90).any()


def test_the_kept_share_is_reported(noise):
    picture = noise(90, 120)
    picture.rgb()[:, 60:] = 90
    slicing = DensitySlices(Uniform(1), tiles=4, size=30).slicing(picture.rgb())
    assert len(slicing.boxes) == 12 and slicing.kept_share == 0.5
    assert slicing.kept[slicing.chosen].all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tiles", 0),
        ("size", 0),
        ("threshold", 1.5),
        ("measure", "sharpness"),
        ("denoise_sigma", -1),
        ("border_margin", 0.5),
        ("row_cap", 0),
    ],
)
def test_nonsense_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        DensitySlices(Uniform(1), **{name: value})


def test_an_overlay_shows_what_is_cut_and_darkens_the_rest(noise):
    rgb = np.full((200, 300, 3), 200, dtype=np.uint8)
    slicing = DensitySlices(Uniform(1), tiles=2, size=100).slicing(rgb)
    picture = overlay(rgb, slicing.boxes, slicing.densities, np.array([0, 5]))
    assert picture.shape == (200, 300, 3) and picture.dtype == np.uint8
    assert (picture[60, 60] == 200).all() and (picture[160, 260] == 200).all() and (picture[160, 60] == 80).all()
    green = (picture[..., 1] == 255) & (picture[..., 0] == 64)
    assert green[0:100, 0].all() and green[199, 200:].all() and not green[:100, 102:198].any()
    assert len(np.unique(picture[2:20, 110:150])) > 2  # a number is written in the tiles that are left out too
    assert (rgb == 200).all()
    tall = overlay(np.zeros((3000, 20, 3), np.uint8), slicing.boxes[:1], slicing.densities[:1], np.array([0]))
    assert tall.shape == (1024, 7, 3)


def test_a_real_file_is_sliced_and_shown(tmp_path):
    from datamodules.video.reader import VideoReader

    write_clip(tmp_path / "a.mp4", "c", 0, 96, 64, 8)
    view = DensitySlices(Uniform(3), tiles=2, size=32)
    together = read_views(tmp_path / "a.mp4", {"x": view, "y": KeyFrames(Uniform(8), 32)}, EVAL)["x"]
    assert torch.equal(read_views(tmp_path / "a.mp4", {"x": view}, EVAL)["x"], together)
    with VideoReader(tmp_path / "a.mp4") as reader:
        picture, slicing = view.overlay(reader, EVAL)
        middle = next(iter(reader.pictures([4]))).rgb()
    assert picture.shape == middle.shape
    for tile, (top, left, bottom, right) in zip(together[2:4], slicing.boxes[slicing.chosen], strict=True):
        assert np.array_equal(tile.permute(1, 2, 0).numpy(), middle[top:bottom, left:right])
