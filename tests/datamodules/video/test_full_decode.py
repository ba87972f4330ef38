"""Full decoding for data reports."""

from pathlib import Path

from datamodules.video.full_decode import full_decode_check
from tests.datamodules.video.clips import make_clip


def test_a_sound_clip(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", g="6")
    report = full_decode_check(path)
    assert report.sound
    assert (report.frames, report.expected, report.skipped_packets, report.first_error) == (24, 24, 0, "")


def test_a_file_whose_container_tells_too_little(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mpg", codec="mpeg2video", b_frames=2, gop=6)
    assert full_decode_check(path).sound
    assert full_decode_check(path).frames == 24


def test_damage_is_reported_not_warned_of(tmp_path: Path, recwarn: object) -> None:
    import av

    path = make_clip(tmp_path / "clip.mp4", g="12")
    with av.open(str(path)) as container:
        place, size = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][3]
    data = bytearray(path.read_bytes())
    data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    report = full_decode_check(path)
    assert not report.sound
    assert (report.frames, report.expected, report.skipped_packets) == (23, 24, 1)
    assert "Invalid data" in report.first_error
    assert not list(recwarn)  # type: ignore[call-overload]
