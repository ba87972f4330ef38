"""Files that give only some of their frames, or none."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

from datamodules.video.full_decode import full_decode_check
from datamodules.video.reader import UnreadableVideo, VideoReader
from datamodules.video.unreadable import DamagedVideoWarning
from tests.datamodules.video.clips import make_clip, plain_decode, remux


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", frames=48, g="12", bf="2", crf="30")


def with_broken_packet(clip: Path, number: int) -> Path:
    """Overwrite one packet's data, its length fields included."""
    import av

    with av.open(str(clip)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        place, size = packet.pos, packet.size
    data = bytearray(clip.read_bytes())
    data[place : place + size] = b"\xff" * size
    path = clip.with_name("broken.mp4")
    path.write_bytes(data)
    return path


def test_a_damaged_packet_costs_one_frame_and_is_told_once(clip: Path) -> None:
    path = with_broken_packet(clip, 17)
    count, truth = plain_decode(path)
    assert count == 47
    with VideoReader(path) as reader, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        pictures = list(reader.pictures(range(48)))
        list(reader.pictures(range(48)))
        lost = [index for index, picture in enumerate(pictures) if picture.index != index]
        assert len(pictures) == 48
        assert len(lost) == 1
        assert abs(pictures[lost[0]].index - lost[0]) == 1
        assert reader.skipped_packets == 1
        assert reader.substituted == 2  # once in each pass
        assert reader.counters.decoded_frames >= 47
    assert [str(path) in str(one.message) for one in told if one.category is DamagedVideoWarning] == [True]
    sound = np.delete(np.arange(48), lost)
    for ordinal, index in enumerate(sound):
        np.testing.assert_array_equal(pictures[index].rgb(), truth[ordinal])


def test_groups_without_damage_are_read_by_plan(clip: Path) -> None:
    with VideoReader(with_broken_packet(clip, 17)) as reader:
        assert [picture.index for picture in reader.pictures([0, 36, 47])] == [0, 36, 47]
        assert reader.skipped_packets == reader.substituted == 0
        assert reader.counters.decoded_packets < 48


def test_a_lost_key_frame_or_nothing_to_start_from(clip: Path, tmp_path: Path) -> None:
    headless = remux(clip, tmp_path / "headless.mp4", keep=lambda packet: packet >= 5)
    count, truth = plain_decode(headless)
    assert 30 < count < 43
    with VideoReader(headless) as reader:
        assert len(reader.timeline) == count
        for picture in reader.pictures([0, count - 1]):
            np.testing.assert_array_equal(picture.rgb(), truth[picture.index])


def test_a_file_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    options = {"g": "12", "crf": "20", "frames": 48}
    front = make_clip(tmp_path / "front.mp4", muxer={"movflags": "faststart"}, **options)
    clips = [front, *(make_clip(tmp_path / f"clip.{suffix}", **options) for suffix in ("mkv", "avi", "flv"))]
    clips.append(make_clip(tmp_path / "clip.webm", frames=48, codec="libvpx-vp9", deadline="realtime", g="12"))
    clips.append(make_clip(tmp_path / "parts.mp4", muxer={"movflags": "frag_keyframe+empty_moov"}, **options))
    for path in clips:
        with VideoReader(path) as reader:
            assert not reader.timeline.truncated, path.name
        cut = path.with_name(f"cut_{path.name}")
        cut.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        with VideoReader(cut) as reader:
            assert 10 < len(reader.timeline) < 40, path.name
            assert reader.timeline.truncated, path.name
            last = len(reader.timeline) - 1
            assert [picture.index for picture in reader.pictures([0, last])] == [0, last], path.name
        report = full_decode_check(cut)
        assert report.truncated
        assert not report.sound


def test_an_index_at_the_end_that_is_gone(clip: Path) -> None:
    cut = clip.with_name("cut.mp4")
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(UnreadableVideo, match=r"cut\.mp4: the index .* missing") as caught:
        VideoReader(cut)
    assert caught.value.reason == "index missing"


def test_files_that_are_no_video_say_so(tmp_path: Path) -> None:
    import av

    cases = {"empty.mp4": (b"", "zero bytes"), "text.mp4": (b"Dear diary,\n" * 90, "not a video")}
    cases["letters.txt"] = (b"\x1b[1;31mred\x1b[0m\n" * 90, "not a video")  # libav would draw it
    cases["list.mp4"] = (b"ffconcat version 1.0\nfile other.mp4\n", "not a video")
    cases["list.m3u8"] = (b"#EXTM3U\n#EXTINF:1,\nother.ts\n", "not a video")
    cases["zip.mp4"] = (b"PK\x03\x04" + bytes(2000), "not a video")
    for name, (data, reason) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnreadableVideo) as caught:
            VideoReader(tmp_path / name)
        assert caught.value.reason == reason, name
        assert name in str(caught.value)
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for path, reason in ((sound, "no video stream"), (tmp_path, "missing file"), (tmp_path / "no.mp4", "missing file")):
        with pytest.raises(UnreadableVideo) as caught:
            VideoReader(path)
        assert caught.value.reason == reason


def test_a_video_without_a_decodable_frame(clip: Path) -> None:
    import av

    with av.open(str(clip)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(clip.read_bytes())
    for place, size in spans:
        data[place : place + size] = b"\xff" * size
    path = clip.with_name("hopeless.mp4")
    path.write_bytes(data)
    with VideoReader(path) as reader, pytest.warns(DamagedVideoWarning), pytest.raises(UnreadableVideo) as caught:
        list(reader.pictures([0]))
    assert caught.value.reason == "no decodable frame"


def test_oversize_frames_and_counts_are_refused(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableVideo, match="exceed the limit of 1000 pixels") as caught:
        with VideoReader(clip, max_pixels=1000) as reader:
            _ = reader.timeline
    assert caught.value.reason == "too large"
    photos = make_clip(tmp_path / "photos.mov", codec="mjpeg", pix_fmt="yuvj420p")
    with pytest.raises(UnreadableVideo, match="exceed the limit") as caught, pytest.warns(DamagedVideoWarning):
        with VideoReader(photos, max_pixels=1000) as reader:
            next(reader.pictures([0]))
    assert caught.value.reason == "too large"
    with VideoReader(clip, max_frames=47) as reader:
        with pytest.raises(UnreadableVideo, match="more than 47 frames"):
            _ = reader.timeline
    with VideoReader(clip, max_frames=48, max_pixels=48 * 64) as reader:
        assert len(reader.timeline) == 48


def test_an_unreadable_video_crosses_process_borders() -> None:
    error = UnreadableVideo("is broken", reason="index missing", where="a.mp4", mend="fetch it")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.reason) == ("a.mp4: is broken; fetch it", "index missing")
