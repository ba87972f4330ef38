import gc
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.video.draw import Draw
from datamodules.video.reader import VideoReader
from datamodules.video.samplers import Clip, FrameSampler, OnePerSecond, OnePerSecondFull, Uniform
from datamodules.video.views.assemble import read_views, render_views
from datamodules.video.views.base import View
from datamodules.video.views.fragments import Fragments
from datamodules.video.views.key_frames import KeyFrames
from datamodules.video.views.motion import MotionClip

EVAL = Draw(id="a.mp4")


def all_views() -> dict[str, View]:
    return {
        "frames": KeyFrames(OnePerSecond(4), 32),
        "native": KeyFrames(OnePerSecondFull(4), 24, "none", crops=2),
        "fragments": Fragments(Uniform(4), 3, 3, 8),
        "cells": Fragments(Clip(8, 1.0, parts=4), 3, 3, 8, aligned=2, aspect="keep"),
        "motion": MotionClip(8, 1.0, 16),
    }


class Fixed(FrameSampler):
    """Any list of frames."""

    def __init__(self, taken: list[int]) -> None:
        self.taken, self.count = taken, len(taken)

    def indices(self, timeline, draw) -> list[int]:
        return self.taken


def test_the_union_is_decoded_once(make_reader, make_timeline, noise):
    reader = make_reader(make_timeline(200), lambda index: noise(96, 54, index))
    views = all_views()
    tensors = render_views(reader, views, EVAL)
    wanted = {i for view in views.values() for i in view.frames(reader.timeline, EVAL)}
    assert reader.calls == 1
    assert reader.delivered == sorted(wanted)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {n: v.shape for n, v in views.items()}


def test_views_read_together_equal_views_read_alone(make_reader, make_timeline, noise):
    draw = Draw(3, 1, "a.mp4", True)
    make = lambda: make_reader(make_timeline(200), lambda index: noise(96, 54, index))  # noqa: E731
    together = render_views(make(), all_views(), draw)
    for name, view in all_views().items():
        assert torch.equal(render_views(make(), {name: view}, draw)[name], together[name])


def test_slots_may_repeat_and_come_in_any_order(make_reader, make_timeline, noise):
    taken = [7, 2, 7, 0, 2]
    reader = make_reader(make_timeline(9), lambda index: noise(20, 20, index))
    tensor = render_views(reader, {"x": KeyFrames(Fixed(taken), 20)}, EVAL)["x"]
    assert reader.delivered == [0, 2, 7]
    for slot, index in enumerate(taken):
        assert torch.equal(tensor[slot], torch.from_numpy(noise(20, 20, index).rgb()).permute(2, 0, 1))


def test_a_picture_is_gone_before_the_next_is_decoded(make_reader, make_timeline, noise):
    alive: list[weakref.ref] = []

    def make(index: int):
        gc.collect()
        assert [ref for ref in alive if ref() is not None] == []
        picture = noise(64, 48, index)
        alive.append(weakref.ref(picture.rgb()))
        return picture

    class Reader(make_reader):
        def pictures(self, indices):
            # No local name: a generator would hold the picture it yielded last.
            return (make(index) for index in indices)

    render_views(Reader(make_timeline(40), make), all_views(), EVAL)
    assert len(alive) > 10


@settings(deadline=None, max_examples=30)
@given(
    frames=st.integers(1, 120),
    size=st.sampled_from([(16, 16), (96, 54), (54, 96), (61, 97), (200, 16)]),
    draw=st.builds(Draw, st.integers(0, 9), st.integers(0, 9), st.just("a.mp4"), st.booleans()),
)
def test_any_video_gives_the_promised_shapes(make_reader, make_timeline, noise, frames, size, draw):
    views = all_views()
    read = lambda d: render_views(make_reader(make_timeline(frames), lambda i: noise(*size, i)), views, d)  # noqa: E731
    tensors = read(draw)
    for name, view in views.items():
        assert tuple(tensors[name].shape) == view.shape and tensors[name].dtype == torch.uint8
        assert tensors[name].is_contiguous()
    again = read(Draw(draw.seed, draw.epoch, draw.id, draw.train) if draw.train else Draw(77, 77, "b.mp4", False))
    assert all(torch.equal(tensors[name], again[name]) for name in views)


class Broken(KeyFrames):
    """A view whose pixels, frames or type do not keep to its promise."""

    def __init__(self, fault: str) -> None:
        super().__init__(Uniform(2), 16)
        self.fault = fault

    def frames(self, timeline, draw):
        return {"index": [0, len(timeline)], "none": [], "few": [0]}.get(self.fault, [0, 1])

    def render(self, picture, slot, draw):
        tensor = super().render(picture, slot, draw)
        return {"type": tensor.float(), "size": tensor[:, :-1]}.get(self.fault, tensor)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("index", "asks for frame 5"),
        ("none", "asks for no frame"),
        ("few", r"\(1, 3, 16, 16\)"),
        ("type", "float32"),
        ("size", r"\(2, 3, 15, 16\)"),
    ],
)
def test_a_broken_promise_names_the_view(make_reader, make_timeline, noise, fault, words):
    reader = make_reader(make_timeline(5), lambda index: noise(20, 20, index))
    with pytest.raises(ValueError, match=rf"'odd' \(Broken\).*{words}"):
        render_views(reader, {"good": KeyFrames(Uniform(1), 8), "odd": Broken(fault)}, EVAL)


def test_a_reader_that_stops_early_is_told(make_reader, make_timeline, noise):
    class Short(make_reader):
        def pictures(self, indices):
            return super().pictures(indices[:1])

    with pytest.raises(ValueError, match="before frame"):
        render_views(Short(make_timeline(9), lambda i: noise(20, 20, i)), {"x": KeyFrames(Uniform(3), 8)}, EVAL)


def test_views_come_from_a_configuration():
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--views", type=dict[str, View])
    samplers, views = "datamodules.video.samplers", "datamodules.video.views"
    by_second = {"class_path": f"{samplers}.OnePerSecond", "init_args": {"stride": 2}}
    config = {
        "frames": {
            "class_path": f"{views}.key_frames.KeyFrames",
            "init_args": {"sampler": by_second, "size": 64},
        },
        "fragments": {
            "class_path": f"{views}.fragments.Fragments",
            "init_args": {"sampler": {"class_path": f"{samplers}.Clip", "init_args": {"step": 2}}, "aspect": "keep"},
        },
        "motion": {"class_path": f"{views}.motion.MotionClip", "init_args": {"span_s": None}},
    }
    # Named instantiate from jsonargparse 4.49 on.
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    made = instantiate(parser.parse_object({"views": config})).views
    assert made["frames"].shape == (8, 3, 64, 64) and made["frames"].sampler.stride == 2
    assert made["fragments"].shape == (32, 3, 224, 224)
    assert made["motion"].shape == (32, 3, 224, 224)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """25 grey frames at 10 per second, frame i of level 10 i."""
    av = pytest.importorskip("av")
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        for level in range(25):
            image = torch.full((96, 64, 3), level * 10, dtype=torch.uint8).numpy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_real_file_is_read_end_to_end(clip):
    tensors = read_views(clip, all_views(), EVAL)
    levels = tensors["frames"].float().mean((1, 2, 3)) / 10
    assert levels.tolist() == pytest.approx([0, 10, 20, 20], abs=0.5)


def test_all_views_of_a_real_file_cost_one_decode(clip):
    with VideoReader(clip) as reader:
        render_views(reader, all_views(), EVAL)
        assert 0 < reader.counters.decoded_frames <= len(reader.timeline) == 25
