"""Fake frames and timelines: views see only sizes, times and pixels."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from datamodules.video.timeline import Timeline

torch.set_num_threads(1)


class FakePicture:
    """A frame with known pixels and what a view reads of a decoded picture."""

    def __init__(self, rgb: np.ndarray, index: int = 0, time: float = 0.0) -> None:
        self._rgb, self.index, self.time = rgb, index, time
        self.height, self.width = rgb.shape[:2]

    def rgb(self) -> np.ndarray:
        return self._rgb


class FakeReader:
    """Frames made on demand, every delivered index counted."""

    def __init__(self, timeline: Timeline, make: Callable[[int], FakePicture]) -> None:
        self.timeline, self.make = timeline, make
        self.calls, self.delivered = 0, []

    def pictures(self, indices: list[int]) -> Iterator[FakePicture]:
        self.calls += 1
        assert list(indices) == sorted(set(indices))
        for index in indices:
            self.delivered.append(index)
            yield self.make(index)


@pytest.fixture(scope="session")
def make_reader() -> type[FakeReader]:
    return FakeReader


@pytest.fixture(scope="session")
def make_timeline() -> Callable[..., Timeline]:
    def make(frames: int, fps: float = 30.0, height: int = 96, width: int = 64) -> Timeline:
        return Timeline(
            times=np.arange(frames) / fps,
            duration=frames / fps,
            height=height,
            width=width,
            fps=fps,
            codec="h264",
            pix_fmt="yuv420p",
            size_bytes=1,
            truncated=False,
        )

    return make


@pytest.fixture(scope="session")
def noise() -> Callable[..., FakePicture]:
    """Pictures of random pixels."""

    def make(height: int, width: int, index: int = 0) -> FakePicture:
        rng = np.random.default_rng(index)
        return FakePicture(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), index, index / 30)

    return make


@pytest.fixture(scope="session")
def coordinates() -> Callable[..., FakePicture]:
    """Pictures whose red is the row and green the column, as 0..255 shares of the frame."""

    def make(height: int, width: int, index: int = 0) -> FakePicture:
        rgb = np.zeros((height, width, 3), dtype=np.uint8)
        rgb[..., 0] = np.linspace(0, 255, height).round()[:, None]
        rgb[..., 1] = np.linspace(0, 255, width).round()[None, :]
        return FakePicture(rgb, index, index / 30)

    return make
