"""What the reader promises whichever backend works behind it."""

import weakref
from pathlib import Path

import numpy as np
import pytest

from datamodules.video.picture import Picture
from datamodules.video.reader import VideoReader
from datamodules.video.timeline import Timeline
from records.errors import UserError
from tests.datamodules.video.clips import make_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", g="6")


def test_indices_must_ascend_and_exist(clip: Path) -> None:
    with VideoReader(str(clip)) as reader:
        assert list(reader.pictures([])) == []
        for wrong in ([3, 3], [5, 4]):
            with pytest.raises(ValueError, match="ascend"):
                reader.pictures(wrong)
        for outside in ([-1, 3], [20, 24]):
            with pytest.raises(IndexError, match="24 frames"):
                reader.pictures(outside)
        assert [picture.index for picture in reader.pictures(np.array([0, 23]))] == [0, 23]


def test_a_reader_may_be_closed_twice_and_is_closed_by_with(clip: Path) -> None:
    with VideoReader(clip) as reader:
        assert len(reader.timeline) == 24
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.pictures([0])
    with pytest.raises(ValueError, match="closed"):
        _ = reader.timeline


def test_an_unknown_backend_is_told_with_the_choices(clip: Path) -> None:
    with pytest.raises(UserError, match="unknown reader 'opencv'; choose one of pyav, decord, torchcodec"):
        VideoReader(clip, "opencv")  # type: ignore[arg-type]


def test_pictures_convert_once_and_only_when_looked_at() -> None:
    calls = []

    def convert() -> np.ndarray:
        calls.append(1)
        return np.zeros((3, 2, 3), np.uint8)[:, ::-1]

    picture = Picture(4, 0.5, 3, 2, convert)
    assert not calls
    assert picture.rgb() is picture.rgb()
    assert calls == [1]
    assert picture.rgb().flags.c_contiguous


def test_pictures_are_not_kept(clip: Path) -> None:
    with VideoReader(clip) as reader:
        alive = []
        for picture in reader.pictures(range(24)):
            picture.rgb()
            alive.append(weakref.ref(picture))
            del picture
            assert sum(reference() is not None for reference in alive) == 0


def test_nearest_frame() -> None:
    timeline = Timeline(np.array([0.0, 0.1, 0.5]), 0.6, 48, 64, 5.0, "h264", "yuv420p", 1)
    assert [timeline.nearest(t) for t in (-1, 0, 0.04, 0.06, 0.29, 0.3, 0.31, 9)] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert len(timeline) == 3
