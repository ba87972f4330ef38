"""decord gives the same pictures as PyAV, or refuses the file by name."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest

from datamodules.video.reader import UnreadableVideo, VideoReader
from records.errors import UserError
from tests.datamodules.video.clips import make_clip, remux

SAME: dict[str, dict] = {
    "short_gop.mp4": {"g": "6", "bf": "2"},
    "short_gop.mkv": {"g": "6", "bf": "2"},
    "one_gop.mp4": {"g": "999", "bf": "3"},
    "fragmented.mp4": {"g": "6", "muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "closed_hevc.mp4": {"codec": "libx265", "x265-params": "open-gop=0:keyint=8:log-level=none"},
    "vp9.webm": {"codec": "libvpx-vp9", "g": "8", "deadline": "realtime", "cpu-used": "8"},
    "mpeg4.avi": {"codec": "mpeg4", "gop": 6},
    "vfr.mp4": {"g": "6", "pts": lambda i: 3 * i + i % 2 + (i > 10) * 9},
    "late_start.mp4": {"pts": lambda i: i + 225, "g": "6"},
    "one_frame.mp4": {"frames": 1},
    "odd.mp4": {"height": 57, "width": 83, "pix_fmt": "yuv444p"},
    "full_range.mp4": {"pix_fmt": "yuvj420p", "color_range": 2},
    "bt709.mp4": {"color_range": 1, "colorspace": 1},
    "rotated_90.mp4": {"rotation": (90, False, False), "height": 64, "width": 96},
    "rotated_180.mp4": {"rotation": (180, False, False), "height": 64, "width": 96},
    "rotated_270.mov": {"rotation": (270, False, False), "height": 64, "width": 96},
    "name with spaces, ünïcode 名前.mp4": {},
}
REFUSED: dict[str, tuple[dict, str]] = {
    "open_gop.mp4": (
        {"x264-params": "open-gop=1:keyint=6:min-keyint=1:bframes=3:b-adapt=0:scenecut=0"},
        "open groups of pictures",
    ),
    "open_gop_hevc.mkv": (
        {"codec": "libx265", "x265-params": "open-gop=1:keyint=8:min-keyint=8:bframes=3:log-level=none"},
        "open groups of pictures",
    ),
    "intra_refresh.mp4": ({"tune": "zerolatency", "x264-params": "intra-refresh=1:keyint=8"}, "no fresh start"),
    "av1.mkv": ({"codec": "libsvtav1", "preset": "13", "height": 64}, "cannot decode av1"),
    "stream.mpg": ({"codec": "mpeg2video", "b_frames": 2, "gop": 6}, "of mpeg are not relied on"),
    "b_frames.avi": ({"bf": "2"}, "of avi are not relied on"),
    "animated.gif": ({"codec": "gif", "pix_fmt": "rgb8"}, "of gif are not relied on"),
    "tiny.mp4": ({"height": 16, "width": 16}, "for 16x16 pixels"),
    "turned_to_width_48.mp4": ({"rotation": (90, False, False)}, "for 64x48 pixels"),
    "mirrored.mp4": ({"rotation": (0, True, False)}, "does not mirror"),
}

decord = pytest.importorskip("decord")


def read(path: Path, backend: str, indices: list[int]) -> list[np.ndarray]:
    with VideoReader(path, backend) as reader:  # type: ignore[arg-type]
        return [picture.rgb() for picture in reader.pictures(indices)]


@pytest.mark.parametrize("name", SAME)
def test_same_pictures_at_the_same_indices(tmp_path: Path, name: str) -> None:
    path = make_clip(tmp_path / name, **SAME[name])
    with VideoReader(path, "decord") as ours, VideoReader(path) as theirs:
        np.testing.assert_array_equal(ours.timeline.times, theirs.timeline.times)
        count = len(ours.timeline)
        for indices in (list(range(count)), sorted(random.Random(name).sample(range(count), min(count, 4)))):
            for one, other in zip(ours.pictures(indices), theirs.pictures(indices), strict=True):
                assert (one.index, one.time, one.height, one.width) == (
                    other.index,
                    other.time,
                    other.height,
                    other.width,
                )
                assert one.rgb().flags.c_contiguous
                assert np.abs(one.rgb().astype(int) - other.rgb()).mean() < 1


@pytest.mark.parametrize("name", REFUSED)
def test_files_known_to_come_out_wrong_are_refused(tmp_path: Path, name: str) -> None:
    options, why = REFUSED[name]
    path = make_clip(tmp_path / name, **options)
    with pytest.raises(UnreadableVideo, match=why) as caught:
        read(path, "decord", [0, 20])
    assert caught.value.reason == "backend limits"
    assert name in str(caught.value)
    assert "reader: pyav" in str(caught.value)
    assert len(read(path, "pyav", [0, 20])) == 2


def test_files_with_missing_packets_are_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=36, g="12", bf="2")
    headless = remux(path, tmp_path / "headless.mp4", keep=lambda packet: packet >= 3)
    edited = remux(path, tmp_path / "edited.mp4", shift_s=-9 / 25)
    front = make_clip(tmp_path / "front.mp4", frames=36, muxer={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(front.read_bytes()[: front.stat().st_size * 7 // 10])
    for broken in (headless, edited, cut):
        with pytest.raises(UnreadableVideo, match="reader: pyav"):
            read(broken, "decord", list(range(10)))
        assert len(read(broken, "pyav", list(range(10)))) == 10


@pytest.mark.filterwarnings("ignore::datamodules.video.unreadable.DamagedVideoWarning")
def test_a_neighbour_in_place_of_a_lost_frame_is_refused(shared_data: Path, tmp_path: Path) -> None:
    clip = shared_data / "videos" / "bikes_640x272.mp4"
    lossy = remux(clip, tmp_path / "lossy.mp4", keep=lambda packet: packet % 12 not in (4, 5))
    with VideoReader(lossy) as reader:
        every = list(range(len(reader.timeline)))
        assert len(list(reader.pictures(every))) == len(every)
        assert reader.substituted > 0
    with pytest.raises(UnreadableVideo, match="decord cannot decode frame"):
        read(lossy, "decord", every)


def test_no_video_at_all_is_told_as_by_pyav(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(UnreadableVideo) as caught:
        VideoReader(tmp_path / "empty.mp4", "decord")
    assert caught.value.reason == "zero bytes"


def test_the_process_wide_bridge_is_neither_set_nor_minded(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=3)
    plain = read(path, "decord", [1])[0]
    decord.bridge.set_bridge("torch")
    try:
        torched = read(path, "decord", [1])[0]
    finally:
        decord.bridge.reset_bridge()
    assert isinstance(torched, np.ndarray)
    np.testing.assert_array_equal(torched, plain)


def test_a_missing_package_is_told_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=1)
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(UserError, match=r"reader 'decord' is not installed; pip install -e '.\[decord\]'"):
        VideoReader(path, "decord")
