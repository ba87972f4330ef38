"""The default reader: right frames, as little work as possible, on clips of all kinds made here."""

import random
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from datamodules.video import pyav_backend
from datamodules.video.backend import Limits
from datamodules.video.reader import UnreadableVideo, VideoReader
from tests.datamodules.video.clips import make_clip, plain_decode, remux, texture

X265 = {"codec": "libx265"}
CLIPS: dict[str, dict] = {
    "short_gop.mp4": {"g": "6", "bf": "2"},
    "short_gop.mkv": {"g": "6", "bf": "2"},
    "short_gop.flv": {"g": "6", "bf": "2"},
    "short_gop.ts": {"g": "6", "bf": "2"},
    "b_frames.avi": {"g": "6", "bf": "2"},
    "one_gop.mp4": {"g": "999", "bf": "3"},
    "all_intra.mp4": {"g": "1"},
    "fragmented.mp4": {"g": "6", "muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "open_gop.mp4": {"x264-params": "open-gop=1:keyint=6:min-keyint=1:bframes=3:b-adapt=0:scenecut=0"},
    "open_gop.mkv": {"x264-params": "open-gop=1:keyint=6:min-keyint=1:bframes=3:b-adapt=0:b-pyramid=normal"},
    "intra_refresh.mp4": {"x264-params": "intra-refresh=1:keyint=8"},
    "zero_latency.mp4": {"tune": "zerolatency", "x264-params": "intra-refresh=1:keyint=8"},
    "interlaced.mp4": {"x264-params": "tff=1:keyint=8"},
    "open_gop_hevc.mp4": {**X265, "x265-params": "open-gop=1:keyint=8:min-keyint=8:bframes=3:log-level=none"},
    "layers_hevc.mkv": {**X265, "x265-params": "temporal-layers=3:keyint=8:bframes=3:b-adapt=0:log-level=none"},
    "ten_bit.mp4": {**X265, "pix_fmt": "yuv420p10le", "x265-params": "keyint=8:log-level=none"},
    "mpeg4.mp4": {"codec": "mpeg4", "b_frames": 2, "gop": 6},
    "mpeg4.avi": {"codec": "mpeg4", "gop": 6},
    "mpeg2.mkv": {"codec": "mpeg2video", "b_frames": 2, "gop": 6},
    "mpeg2.mpg": {"codec": "mpeg2video", "b_frames": 2, "gop": 6},
    "vp9.webm": {"codec": "libvpx-vp9", "g": "8", "deadline": "realtime", "cpu-used": "8"},
    "vp9_alt_ref.webm": {"codec": "libvpx-vp9", "lag-in-frames": "16", "auto-alt-ref": "1", "cpu-used": "5"},
    "vp8_alt_ref.webm": {"codec": "libvpx", "lag-in-frames": "16", "auto-alt-ref": "1", "cpu-used": "5"},
    "av1.mkv": {"codec": "libsvtav1", "preset": "13", "height": 64},
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "animated.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "vfr.mp4": {"g": "6", "pts": lambda i: 3 * i + i % 2 + (i > 10) * 9},
    "odd.mp4": {"height": 57, "width": 83, "pix_fmt": "yuv444p", "g": "6"},
    "tiny.mp4": {"height": 16, "width": 16, "g": "6"},
    "one_frame.mp4": {"frames": 1},
    "late_start.mp4": {"pts": lambda i: i + 225, "g": "6"},
    "yuv422.mp4": {"pix_fmt": "yuv422p", "g": "6"},
    "name with spaces, ünïcode 名前 %03d.mp4": {"g": "6"},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make one of ``CLIPS``, once."""
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make_clip(path, **CLIPS[name])

    return make


@pytest.mark.parametrize("name", CLIPS)
def test_planned_frames_equal_plain_decoding(
    clip: Callable[[str], Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip(name)
    count, truth = plain_decode(path)
    assert count == CLIPS[name].get("frames", 24)
    draw = random.Random(name)
    choices = [
        range(count),
        [0],
        [count - 1],
        *(sorted(draw.sample(range(count), min(count, n))) for n in (2, 3, 5, 8)),
    ]
    for always_seek in (False, True):
        monkeypatch.setattr(pyav_backend, "_SEEK_BYTES", 0 if always_seek else 1 << 22)
        with VideoReader(path) as reader:
            assert len(reader.timeline) == count
            for indices in choices:
                pictures = list(reader.pictures(indices))
                assert [picture.index for picture in pictures] == list(indices)
                for picture in pictures:
                    np.testing.assert_array_equal(picture.rgb(), truth[picture.index])
                    assert (picture.height, picture.width) == (reader.timeline.height, reader.timeline.width)
                    assert picture.time == reader.timeline.times[picture.index]
            assert reader.substituted == reader.skipped_packets == 0


def test_frames_show_what_was_encoded(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", qp="0", pix_fmt="yuv444p", g="5")
    with VideoReader(path) as reader:
        for picture in reader.pictures([0, 7, 23]):
            assert np.abs(picture.rgb().astype(int) - texture(picture.index, 48, 64)).max() <= 4


def test_a_timeline_costs_no_decoding_where_the_container_can_be_trusted(clip: Callable[[str], Path]) -> None:
    for name in ("short_gop.mp4", "short_gop.mkv", "open_gop_hevc.mp4", "vp9.webm", "av1.mkv", "vfr.mp4", "mpeg4.avi"):
        with VideoReader(clip(name)) as reader:
            assert len(reader.timeline) == 24
            assert reader.counters.decoded_packets == 0, name
    for name in ("mpeg2.mpg", "animated.gif", "vp8_alt_ref.webm", "b_frames.avi", "interlaced.mp4", "short_gop.ts"):
        with VideoReader(clip(name)) as reader:
            assert len(reader.timeline) == 24
            assert reader.counters.decoded_packets >= 24, name


def test_only_the_needed_groups_are_decoded(clip: Callable[[str], Path]) -> None:
    def packets(name: str, indices: list[int]) -> int:
        with VideoReader(clip(name)) as reader:
            assert len(list(reader.pictures(indices))) == len(indices)
            return reader.counters.decoded_packets

    assert packets("short_gop.mp4", [0]) == 1
    assert packets("short_gop.mp4", [6, 18]) == 2  # two key frames
    assert packets("short_gop.mp4", [0, 12, 23]) <= 8
    assert packets("short_gop.mp4", list(range(24))) == 24
    assert packets("all_intra.mp4", [3, 9, 21]) == 3
    assert packets("one_gop.mp4", [2]) < 8
    assert packets("open_gop.mp4", [23]) < 16


def test_disposable_frames_are_dropped_undecoded(clip: Callable[[str], Path]) -> None:
    with VideoReader(clip("one_gop.mp4")) as reader:
        list(reader.pictures([23]))
        assert reader.counters.decoded_frames < reader.counters.decoded_packets - 4


def test_variable_frame_rate_and_late_start_give_true_times(clip: Callable[[str], Path]) -> None:
    with VideoReader(clip("vfr.mp4")) as reader:
        pts = [CLIPS["vfr.mp4"]["pts"](i) for i in range(24)]
        np.testing.assert_allclose(reader.timeline.times, np.array(pts) / 25, atol=1e-9)
        assert reader.timeline.duration >= reader.timeline.times[-1] + 0.04 - 1e-9
        assert reader.timeline.fps == pytest.approx(24 / reader.timeline.duration)
    with VideoReader(clip("late_start.mp4")) as reader:
        np.testing.assert_allclose(reader.timeline.times, np.arange(24) / 25, atol=1e-9)
        assert reader.timeline.duration == pytest.approx(0.96)
    with VideoReader(clip("one_frame.mp4")) as reader:
        assert reader.timeline.times.tolist() == [0]
        assert reader.timeline.duration == pytest.approx(0.04)


def test_timeline_facts(clip: Callable[[str], Path]) -> None:
    with VideoReader(clip("odd.mp4")) as reader:
        timeline = reader.timeline
    assert (timeline.height, timeline.width) == (57, 83)
    assert (timeline.codec, timeline.pix_fmt) == ("h264", "yuv444p")
    assert timeline.size_bytes == clip("odd.mp4").stat().st_size
    assert not timeline.truncated
    with VideoReader(clip("av1.mkv")) as reader:
        assert reader.timeline.codec == "av1"


def test_wrong_suffix_and_upper_case_decide_nothing(clip: Callable[[str], Path], tmp_path: Path) -> None:
    for name, disguise in (("short_gop.mp4", "CLIP.AVI"), ("vp9.webm", "clip.mp4"), ("short_gop.mkv", "clip.txt")):
        path = tmp_path / disguise
        path.write_bytes(clip(name).read_bytes())
        with VideoReader(path) as reader:
            assert len(list(reader.pictures([0, 23]))) == 2


def test_frames_cut_off_by_an_edit_list_do_not_count(clip: Callable[[str], Path], tmp_path: Path) -> None:
    path = remux(clip("short_gop.mp4"), tmp_path / "edited.mp4", shift_s=-9 / 25)
    count, truth = plain_decode(path)
    assert count < 24
    with VideoReader(path) as reader:
        assert len(reader.timeline) == count
        assert not reader.timeline.truncated
        for picture in reader.pictures([0, count // 2, count - 1]):
            np.testing.assert_array_equal(picture.rgb(), truth[picture.index])


def test_a_reader_may_be_asked_again_and_left_midway(clip: Callable[[str], Path]) -> None:
    with VideoReader(clip("open_gop.mp4")) as reader:
        first = next(reader.pictures([5, 20])).rgb()
        again = [picture.rgb() for picture in reader.pictures([5, 20])]
        np.testing.assert_array_equal(first, again[0])
        assert next(reader.pictures([0])).index == 0


def test_a_changing_frame_size_is_scaled_to_the_first(tmp_path: Path) -> None:
    small, large = (make_clip(tmp_path / f"{n}.ts", frames=6, height=48 * n, width=64 * n) for n in (1, 2))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    with VideoReader(joined) as reader:
        shapes = {picture.rgb().shape for picture in reader.pictures(range(len(reader.timeline)))}
        assert len(reader.timeline) > 6
        assert shapes == {(reader.timeline.height, reader.timeline.width, 3)}


def test_the_best_of_several_streams_is_read(tmp_path: Path) -> None:
    path = tmp_path / "streams.mp4"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for stream, size in zip(streams, (32, 64), strict=True):
            stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        streams[0].disposition, streams[1].disposition = Disposition.dub, Disposition.default
        for index in range(10):
            for stream, size in zip(streams, (32, 64), strict=True):
                frame = av.VideoFrame.from_ndarray(texture(index, size, size), format="rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    count, truth = plain_decode(path)
    with VideoReader(path) as reader:
        assert (len(reader.timeline), reader.timeline.height) == (count, 64)
        np.testing.assert_array_equal(next(reader.pictures([5])).rgb(), truth[5])


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(texture(0, 64, 64), format="rgb24")
        frame.pts = 0
        container.mux(cover.encode(frame))
        container.mux(cover.encode())
    with pytest.raises(UnreadableVideo) as caught:
        VideoReader(path)
    assert caught.value.reason == "no video stream"


def test_frames_may_be_the_first_thing_asked_for(clip: Callable[[str], Path], tmp_path: Path) -> None:
    """The packet table is read from the same container, which must stand at its beginning for the frames."""
    photo = tmp_path / "photo.mp4"
    Image.fromarray(texture(0, 48, 64)).save(photo, "JPEG")
    for path, count in ((photo, 1), (clip("short_gop.mp4"), 24)):
        backend = pyav_backend.PyAVBackend(path, Limits())
        assert [index for index, _ in backend.frames()] == list(range(count))
        assert len(backend.timeline) == count
        backend.close()
