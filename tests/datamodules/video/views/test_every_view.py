"""What holds for every view, whoever adds the next one."""

import importlib
import inspect
import pkgutil
import weakref
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import datamodules.video.views
from datamodules.video.draw import Draw
from datamodules.video.samplers import Clip, OnePerSecond, Uniform
from datamodules.video.views.assemble import render_views
from datamodules.video.views.base import View
from datamodules.video.views.expert_rows import ExpertRows
from datamodules.video.views.fragments import Fragments
from datamodules.video.views.key_frames import KeyFrames
from datamodules.video.views.local_crops import LocalCrops
from datamodules.video.views.motion import MotionClip
from datamodules.video.views.patches import NativePatches
from datamodules.video.views.slices import DensitySlices
from datamodules.video.views.stored import StoredView
from records.bank_writer import BankWriter
from records.feature_bank import BankHeader, FeatureBank

VIDEOS = ("a.mp4", "b.mp4", "c.mp4")
# A few of each class, so that every way of rendering is taken; the folder is that of the feature banks.
EXAMPLES: dict[type[View], list[Callable[[Path], View]]] = {
    KeyFrames: [
        lambda _: KeyFrames(OnePerSecond(2), 32),
        lambda _: KeyFrames(Uniform(2), 24, "stretch"),
        lambda _: KeyFrames(Uniform(1), 40, "none", crops=3),
    ],
    MotionClip: [lambda _: MotionClip(4, 0.1, 24), lambda _: MotionClip(3, None, 24, "short")],
    Fragments: [
        lambda _: Fragments(Clip(4, 1, parts=2), 3, 2, 8, aligned=2),
        lambda _: Fragments(Uniform(1), 7, 7, 8, aspect="keep"),
    ],
    NativePatches: [lambda _: NativePatches(Uniform(2), 32, 16, 5)],
    LocalCrops: [
        lambda _: LocalCrops(Uniform(2), 32, 4),
        lambda _: LocalCrops(Uniform(2), 32, 3, in_turn=True),
    ],
    DensitySlices: [
        lambda _: DensitySlices(Uniform(3), 3, 100, threshold=0.5),
        lambda _: DensitySlices(Uniform(2), 2, 100, measure="relative", row_cap=1, border_margin=0.1, per_frame=True),
    ],
    ExpertRows: [lambda folder: ExpertRows(str(folder), {"frames": 5, "whole": 3}, tokens=4)],
}
CASES = [pytest.param(make, id=f"{kind.__name__}{n}") for kind, many in EXAMPLES.items() for n, make in enumerate(many)]


@lru_cache(maxsize=8)
def pixels(height: int, width: int, index: int) -> np.ndarray:
    """Noise with a drift over the frame, so that no two places look alike."""
    patch = np.random.default_rng(index).integers(0, 128, (41, 53, 3), dtype=np.uint8)
    over = np.tile(patch, (-(-height // 41), -(-width // 53), 1))[:height, :width]
    down, right = np.linspace(0, 60, height, dtype=np.uint8), np.linspace(0, 60, width, dtype=np.uint8)
    return over + down[:, None, None] + right[:, None]


class Made:
    """A picture of pixels that nobody else holds."""

    def __init__(self, height: int, width: int, index: int) -> None:
        self.height, self.width, self.index, self.time = height, width, index, index / 30
        self._rgb = pixels(height, width, index).copy()

    def rgb(self) -> np.ndarray:
        return self._rgb


def classes() -> set[type[View]]:
    """Every view of the package that can be made."""
    package = datamodules.video.views
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    found, left = set(), [View]
    while left:
        left += (kind := left.pop()).__subclasses__()
        if kind.__module__.startswith(package.__name__ + ".") and not inspect.isabstract(kind):
            found.add(kind)
    return found


def test_every_view_of_the_package_is_tested_here() -> None:
    missing = sorted(f"{kind.__module__}.{kind.__name__}" for kind in classes() - set(EXAMPLES))
    assert not missing, f"add examples of {', '.join(missing)} to EXAMPLES"
    assert set(EXAMPLES) <= classes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("banks")
    for expert, tokens, width in (("frames", 4, 5), ("whole", 1, 3)):
        writer = BankWriter(
            FeatureBank.prepare(root / expert, BankHeader(expert, "1", "w", "s", tokens, width), VIDEOS)
        )
        writer.write(VIDEOS, np.random.default_rng(width).normal(size=(len(VIDEOS), tokens, width)))
        writer.close()
    return root


@pytest.mark.parametrize("make", CASES)
@settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.tuples(st.integers(16, 400), st.integers(16, 400)),
    lengths=st.tuples(*[st.integers(1, 9)] * len(VIDEOS)),
    train=st.booleans(),
    order=st.permutations(range(len(VIDEOS))),
)
@example((16, 16), (1, 1, 2), False, [2, 1, 0])
@example((3840, 2160), (1, 1, 1), True, [1, 0, 2])
@example((2160, 3840), (1, 1, 1), False, [2, 0, 1])
def test_what_every_view_promises(make_reader, make_timeline, folder, make, size, lengths, train, order) -> None:
    alive: list[weakref.ref] = []
    begin = {id: 10 * place for place, id in enumerate(VIDEOS)}
    length = dict(zip(VIDEOS, lengths, strict=True))

    def read(view: View, id: str, draw: Draw) -> torch.Tensor:
        if isinstance(view, StoredView):
            return view.read(id)

        def picture(index: int) -> Made:
            # Videos differ in size and pixels.
            made = Made(size[0] + begin[id] // 10, size[1], begin[id] + index)
            alive.append(weakref.ref(made.rgb()))
            return made

        class Reader(make_reader):
            def pictures(self, indices):
                return (picture(index) for index in indices)

        return render_views(Reader(make_timeline(length[id]), picture), {"x": view}, draw)["x"]

    large = size[0] * size[1] > 1e6
    videos = VIDEOS[:2] if large else VIDEOS
    view, promised = make(folder), make(folder).shape
    results = {}
    for id in videos:
        tensor = results[id] = read(view, id, Draw(1, 2, id, train))
        assert tuple(tensor.shape) == promised == tuple(view.shape)
        assert tensor.dtype == view.dtype and tensor.is_contiguous()
        assert tensor.untyped_storage().nbytes() == tensor.nbytes, "a view of something larger"
    assert [ref for ref in alive if ref() is not None] == [], "a frame outlives its video"
    assert len({tensor.numpy().tobytes() for tensor in results.values()}) == len(videos)
    before = view.signature()
    # The same object in another order, and another one; seed and epoch mean nothing in evaluation.
    again = Draw(1, 2, "", train) if train else Draw(8, 9, "", train)
    for reader in (view,) if large else (view, make(folder)):
        for id in [VIDEOS[place] for place in order if VIDEOS[place] in videos]:
            assert torch.equal(read(reader, id, Draw(again.seed, again.epoch, id, train)), results[id])
    assert view.signature() == before == make(folder).signature()


@pytest.mark.parametrize("make", CASES)
@pytest.mark.parametrize("train", [False, True])
def test_no_slot_holds_on_to_its_frame(make_timeline, folder, make, train) -> None:
    view, draw = make(folder), Draw(3, 4, VIDEOS[0], train)
    timeline = make_timeline(6)
    look = view.look(timeline, draw)
    ready = view if look is None else view.seen(Made(90, 150, look), draw)
    for slot, index in enumerate(view.frames(timeline, draw)):
        picture = Made(90, 150, index)
        rendered = ready.render(picture, slot, draw)
        whole = rendered.clone()
        assert rendered.untyped_storage().nbytes() == rendered.nbytes
        picture.rgb()[:] = 0
        assert torch.equal(rendered, whole)


@pytest.mark.parametrize("make", CASES)
def test_two_videos_may_be_read_side_by_side(make_timeline, folder, make) -> None:
    view, draw, timeline = make(folder), Draw(3, 4, VIDEOS[0], True), make_timeline(6)
    look = view.look(timeline, draw)
    if look is None:
        return

    def half(begin: int, index: int) -> Made:
        """Flat on the left in one video, on the right in the other."""
        picture = Made(240, 400, begin + index)
        picture.rgb()[:, slice(0, 200) if begin else slice(200, 400)] = 90
        return picture

    ready = {begin: view.seen(half(begin, look), draw) for begin in (0, 10)}
    for begin in ready:
        alone = make(folder).seen(half(begin, look), draw)
        for slot, index in enumerate(view.frames(timeline, draw)):
            picture = half(begin, index)
            assert torch.equal(ready[begin].render(picture, slot, draw), alone.render(picture, slot, draw))
