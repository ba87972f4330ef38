"""Memory over many opens, and files with bytes changed at random: no growth, no crash, no hang, no other error."""

import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.datamodules.video.clips import make_clip

ROOT = Path(__file__).resolve().parents[3]

MEMORY = """
import sys
from datamodules.video.reader import VideoReader
path, backend = sys.argv[1:]
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
for turn in range(220):
    if turn == 20:
        before = resident()
    with VideoReader(path, backend) as reader:
        for picture in reader.pictures(range(0, len(reader.timeline), 5)):
            picture.rgb()
print(resident() - before)
"""

FUZZ = """
import faulthandler, os, random, sys, warnings
warnings.simplefilter("ignore")
from datamodules.video.full_decode import full_decode_check
from datamodules.video.reader import UnreadableVideo, VideoReader

def changed(data, draw):
    data, kind = bytearray(data), draw.random()
    if kind < 0.15:
        return data[: draw.randrange(len(data))]
    if kind < 0.3:
        start = draw.randrange(len(data))
        return data[:start] + draw.randbytes(draw.randrange(500)) + data[start + draw.randrange(2000) :]
    span = draw.choice([range(min(len(data), 3000)), range(max(0, len(data) - 6000), len(data)), range(len(data))])
    for _ in range(draw.choice([1, 3, 10, 50, 300])):
        data[draw.choice(span)] = draw.choice([0, 127, 128, 255, draw.randrange(256)])
    return data

def read(path):
    with VideoReader(path) as reader:
        timeline = reader.timeline
        assert len(timeline) and timeline.duration > 0 and timeline.height > 0 and timeline.width > 0
        wanted = sorted({draw.randrange(len(timeline)) for _ in range(6)})
        pictures = list(reader.pictures(wanted))
        assert len(pictures) == len(wanted)
        assert all(picture.rgb().shape == (picture.height, picture.width, 3) for picture in pictures)
    full_decode_check(path)

first, last, *clips = sys.argv[1:]
outcomes = {}
for number in range(int(first), int(last)):
    draw = random.Random(number)
    source = draw.choice(clips)
    path = f"{os.path.dirname(clips[0])}/changed"
    with open(source, "rb") as file:
        data = changed(file.read(), draw)
    with open(path, "wb") as file:
        file.write(data)
    faulthandler.dump_traceback_later(60, exit=True)
    print(number, source, file=sys.stderr)
    try:
        read(path)
        outcome = "read"
    except UnreadableVideo as error:
        outcome = error.reason
    faulthandler.cancel_dump_traceback_later()
    outcomes[outcome] = outcomes.get(outcome, 0) + 1
print(outcomes)
"""


def run(code: str, *arguments: object, timeout: float) -> str:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["pyav", "decord"])
def test_memory_stays_level_over_many_opens(tmp_path: Path, backend: str) -> None:
    if backend == "decord":
        pytest.importorskip("decord")
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc to read the resident memory from")
    path = make_clip(tmp_path / "clip.mp4", frames=30, height=270, width=480, g="12")
    assert int(run(MEMORY, path, backend, timeout=300)) < 50 * 2**20


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    made = [
        make_clip(tmp_path / "a.mp4", g="6"),
        make_clip(tmp_path / "b.mkv", g="6"),
        make_clip(tmp_path / "c.mp4", muxer={"movflags": "frag_keyframe+empty_moov"}, g="6"),
        make_clip(tmp_path / "d.mp4", codec="libx265", **{"x265-params": "keyint=8:log-level=none"}),
        make_clip(tmp_path / "e.webm", codec="libvpx-vp9", deadline="realtime", g="8"),
        make_clip(tmp_path / "f.webm", codec="libvpx", **{"lag-in-frames": "16", "auto-alt-ref": "1"}),
        make_clip(tmp_path / "g.mkv", codec="libsvtav1", preset="13", height=64),
        make_clip(tmp_path / "h.avi", codec="mpeg4", gop=6),
        make_clip(tmp_path / "i.mpg", codec="mpeg2video", b_frames=2, gop=6),
        make_clip(tmp_path / "j.ts", g="6"),
        make_clip(tmp_path / "k.flv", g="6"),
        make_clip(tmp_path / "l.gif", codec="gif", pix_fmt="rgb8"),
        make_clip(tmp_path / "m.mov", codec="mjpeg", pix_fmt="yuvj420p", rotation=(90, True, False)),
    ]
    random.Random(0).shuffle(made)
    return made


@pytest.mark.slow
def test_changed_bytes_end_in_frames_or_in_a_clear_error(clips: list[Path]) -> None:
    assert "read" in run(FUZZ, 0, 200, *clips, timeout=600)


@pytest.mark.prove
def test_changed_bytes_end_in_frames_or_in_a_clear_error_at_length(clips: list[Path]) -> None:
    assert "read" in run(FUZZ, 1000, 6000, *clips, timeout=3600)
