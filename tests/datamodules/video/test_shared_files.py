"""Every real and every awkward file, by every backend: read right, or refused with a clear sentence."""

import json
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from datamodules.video.full_decode import full_decode_check
from datamodules.video.reader import UnreadableVideo, VideoReader
from tests.datamodules.video.clips import plain_decode

pytestmark = pytest.mark.filterwarnings("ignore::datamodules.video.unreadable.DamagedVideoWarning")
ROOT = Path(__file__).resolve().parents[3]
VIDEOS = ROOT.parent / "shared" / "data" / "videos"
QUICK = [
    "city_mpeg2.mpg",
    "earth_mpeg4.avi",
    "lowres_192x144_10fps.mp4",
    "nasa_6streams.mp4",
    "phone_rotated_180.mov",
    "phone_rotated_90.mov",
    "signing_fullrange.mkv",
    "ugc_lsvq_portrait_406x720.mp4",
]
REASONS = {
    "zero_byte.mp4": "zero bytes",
    "text_renamed.mp4": "not a video",
    "truncated_no_moov.mp4": "index missing",
    "audio_only.mp4": "no video stream",
}
DAMAGED = {"bitflips.mp4": 89, "corrupted_stream.mp4": 49}
FRAMES = {
    "city_mpeg2.mpg": 190,
    "earth_mpeg4.avi": 150,
    "nasa_6streams.mp4": 390,
    "ugc_lsvq_portrait_406x720.mp4": 243,
    "ugc_konvid_960x540.mp4": 240,
    "bottles_40s.mp4": 1189,
    "one_frame.mp4": 1,
    "three_frames.mp4": 3,
    "vfr.mp4": 60,
    "long_gop.mp4": 234,
    "fragmented.mp4": 90,
    "animated.gif": 20,
    "jpeg_renamed.mp4": 1,
}
SIZES = {
    "phone_rotated_90.mov": (568, 320),
    "phone_rotated_180.mov": (320, 568),
    "rotated_90.mp4": (480, 270),
    "rotated_270.mp4": (480, 270),
    "nasa_6streams.mp4": (270, 480),
    "odd_227x401_vp9.webm": (401, 227),
    "ugc_lsvq_portrait_406x720.mp4": (720, 406),
}
_BOTH_REFUSE = {
    *("city_mpeg2.mpg", "animated.gif", "jpeg_renamed.mp4"),
    *("bitflips.mp4", "corrupted_stream.mp4", "truncated_moov_front.mp4"),
}
REFUSED = {"decord": {*_BOTH_REFUSE, "av1_testsrc.mkv", "av1.mp4"}, "torchcodec": _BOTH_REFUSE}


def files() -> list:
    """Parameters: all files, the costly ones for the slow suite."""
    paths = sorted(path for path in VIDEOS.rglob("*") if path.is_file() and path.suffix != ".md")
    return [
        pytest.param(
            path, id=path.name, marks=[] if path.parent.name == "edge" or path.name in QUICK else pytest.mark.slow
        )
        for path in paths
    ] or [pytest.param(None, marks=pytest.mark.skip("the real test media (shared/data) are not on this machine"))]


def sample(path: Path, count: int) -> list[list[int]]:
    """Wanted frames: spread, at random, near each other, and the two ends."""
    draw = random.Random(path.name)
    start = draw.randrange(count)
    return [
        sorted({round(i * (count - 1) / 7) for i in range(8)}),
        sorted(draw.sample(range(count), min(5, count))),
        list(range(start, min(count, start + 6))),
        sorted({0, count - 1}),
    ]


@pytest.mark.parametrize("path", files())
def test_pyav_reads_right_or_says_why_not(path: Path) -> None:
    if path.name in REASONS:
        with pytest.raises(UnreadableVideo) as caught:
            VideoReader(path)
        assert caught.value.reason == REASONS[path.name]
        assert path.name in str(caught.value)
        return
    with VideoReader(path) as reader:
        timeline = reader.timeline
        assert timeline.truncated == (path.name == "truncated_moov_front.mp4")
        assert len(timeline) == FRAMES.get(path.name, len(timeline))
        assert (timeline.height, timeline.width) == SIZES.get(path.name, (timeline.height, timeline.width))
        assert timeline.times[0] == 0
        assert (np.diff(timeline.times) > 0).all()
        assert timeline.duration > timeline.times[-1]
        wanted = sample(path, len(timeline))
        count, truth = plain_decode(path, {index for indices in wanted for index in indices})
        if path.name in DAMAGED:
            assert count == DAMAGED[path.name] == full_decode_check(path).frames == len(timeline) - 1
            for indices in wanted:
                assert len(list(reader.pictures(indices))) == len(indices)
            return
        assert len(timeline) == count
        for indices in wanted:
            pictures = list(reader.pictures(indices))
            assert [picture.index for picture in pictures] == indices
            for picture in pictures:
                np.testing.assert_array_equal(picture.rgb(), truth[picture.index])
        assert reader.substituted == 0


def test_rotated_clips_show_the_upright_pixels_of_their_source() -> None:
    if not VIDEOS.is_dir():
        pytest.skip("the real test media (shared/data) are not on this machine")
    edge = VIDEOS / "edge"
    for backend in ("pyav", "decord"):
        if backend == "decord":
            pytest.importorskip("decord")
        shown = {}
        for name in ("moov_at_end.mp4", "rotated_90.mp4", "rotated_270.mp4"):
            with VideoReader(edge / name, backend) as reader:  # type: ignore[arg-type]
                shown[name] = next(reader.pictures([40])).rgb()
        turned = {np.rot90(shown["moov_at_end.mp4"], turns).tobytes() for turns in (1, 3)}
        assert {shown["rotated_90.mp4"].tobytes(), shown["rotated_270.mp4"].tobytes()} == turned


@pytest.mark.parametrize("backend", ["decord", "torchcodec"])
@pytest.mark.parametrize("path", files())
def test_other_backends_agree_with_pyav_or_refuse(path: Path, backend: str) -> None:
    """In a process of its own: an old decoder on broken files could take the whole test run with it."""
    pytest.importorskip(backend)
    code = """
        import json, sys
        import numpy as np
        from datamodules.video.reader import UnreadableVideo, VideoReader
        path, backend = sys.argv[1:]
        try:
            with VideoReader(path, backend) as ours, VideoReader(path) as theirs:
                count = len(ours.timeline)
                indices = sorted({round(i * (count - 1) / 5) for i in range(6)})
                worst = 0.0
                for one, other in zip(ours.pictures(indices), theirs.pictures(indices), strict=True):
                    assert (one.index, one.height, one.width) == (other.index, other.height, other.width)
                    worst = max(worst, float(np.abs(one.rgb().astype(int) - other.rgb()).mean()))
                print(json.dumps({"difference": worst}))
        except UnreadableVideo as error:
            print(json.dumps({"reason": error.reason, "text": str(error)}))
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), str(path), backend],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    if path.name in REASONS:
        assert answer["reason"] == REASONS[path.name]
    elif path.name in REFUSED[backend]:
        assert answer["reason"] == "backend limits"
        assert "reader: pyav" in answer["text"]
    else:
        assert answer["difference"] < 1
