"""torchcodec, where it is installed; its absence and its answers everywhere."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.video.reader import UnreadableVideo, VideoReader
from records.errors import UserError
from tests.datamodules.video.clips import make_clip, plain_decode


class FakeDecoder:
    """Answers as torchcodec's decoder does, from frames given beforehand."""

    frames: np.ndarray
    late_s = 0.0
    begin_s = 9.0

    def __init__(self, path: str, *, dimension_order: str, num_ffmpeg_threads: int, seek_mode: str) -> None:
        assert (dimension_order, num_ffmpeg_threads, seek_mode) == ("NHWC", 1, "exact")
        assert Path(path).is_absolute()
        self.metadata = types.SimpleNamespace(begin_stream_seconds=self.begin_s)

    def __len__(self) -> int:
        return len(self.frames)

    def get_frame_at(self, index: int) -> types.SimpleNamespace:
        time = self.begin_s + index / 25 + self.late_s * (index > 2)
        return types.SimpleNamespace(data=torch.from_numpy(self.frames[index]), pts_seconds=time)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", frames=8, g="4", pts=lambda index: index + 225)


def install(monkeypatch: pytest.MonkeyPatch, decoder: type) -> None:
    package, module = types.ModuleType("torchcodec"), types.ModuleType("torchcodec.decoders")
    module.VideoDecoder = decoder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchcodec", package)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", module)


def test_a_missing_package_is_told_with_the_extra(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    with pytest.raises(UserError, match=r"'torchcodec' is not installed; pip install -e '.\[torchcodec\]'"):
        VideoReader(clip, "torchcodec")


def test_missing_ffmpeg_libraries_are_told(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLibraries:
        def __init__(self, *args: object, **kwargs: object) -> None:
            raise RuntimeError("Could not load libtorchcodec. Likely causes: ...")

    install(monkeypatch, NoLibraries)
    with pytest.raises(UserError, match="no FFmpeg that it can use; install FFmpeg"):
        VideoReader(clip, "torchcodec")


def test_its_frames_are_delivered_by_index(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.stack(list(plain_decode(clip)[1].values()))
    install(monkeypatch, type("Decoder", (FakeDecoder,), {"frames": frames}))
    with VideoReader(clip, "torchcodec") as reader:
        for picture in reader.pictures([0, 3, 7]):
            np.testing.assert_array_equal(picture.rgb(), frames[picture.index])
            assert picture.time == pytest.approx(picture.index / 25)


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"frames": np.zeros((7, 48, 64, 3), np.uint8)}, "counts 7 frames of 8"),
        ({"frames": np.zeros((8, 64, 48, 3), np.uint8)}, "for 48x64 pixels"),
        ({"frames": np.zeros((8, 48, 64, 3), np.uint8), "late_s": 0.1}, "0.100 s beside its time"),
    ],
)
def test_answers_that_contradict_the_file_are_refused(
    clip: Path, monkeypatch: pytest.MonkeyPatch, answers: dict, why: str
) -> None:
    install(monkeypatch, type("Decoder", (FakeDecoder,), answers))
    with pytest.raises(UnreadableVideo, match=f"{why}.*reader: pyav") as caught:
        with VideoReader(clip, "torchcodec") as reader:
            list(reader.pictures([1, 3]))
    assert caught.value.reason == "backend limits"


@pytest.mark.parametrize("options", [{"g": "4"}, {"rotation": (90, False, False)}, {"pts": lambda i: 2 * i + i % 2}])
def test_same_pictures_as_pyav_where_it_is_installed(tmp_path: Path, options: dict) -> None:
    pytest.importorskip("torchcodec")
    path = make_clip(tmp_path / "clip.mp4", height=64, width=96, **options)
    try:
        reader = VideoReader(path, "torchcodec")
    except UnreadableVideo:
        raise
    except UserError as error:
        pytest.skip(str(error))
    with reader, VideoReader(path) as other:
        for one, two in zip(reader.pictures([0, 5, 23]), other.pictures([0, 5, 23]), strict=True):
            assert one.index == two.index
            assert np.abs(one.rgb().astype(int) - two.rgb()).mean() < 1
