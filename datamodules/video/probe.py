"""Facts of a video file for data reports: what its container says, and what decoding all of it gives."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from datamodules.video.backend import Limits
from datamodules.video.pyav_backend import PyAVBackend
from datamodules.video.unreadable import DamagedVideoWarning


@dataclass(frozen=True)
class VideoFacts:
    """One row of a data report.

    Args:
        frames: Number of frames.
        duration: Seconds.
        fps: Mean frames per second.
        height: Upright height, pixels.
        width: Upright width, pixels.
        codec: Name of the codec.
        pix_fmt: libav's pixel format.
        size_bytes: Size of the file.
        truncated: The file is known to end early.
        key_frames: Entry points for decoding; with one, every late frame costs the decoding of all before it.
        doubt: Why frames can't be told from the container, so that the file is decoded to list them; mostly empty.
    """

    frames: int
    duration: float
    fps: float
    height: int
    width: int
    codec: str
    pix_fmt: str
    size_bytes: int
    truncated: bool
    key_frames: int
    doubt: str


@dataclass(frozen=True)
class DecodeReport:
    """What decoding every packet of a file gave.

    Args:
        frames: Decoded frames.
        expected: Frames that the timeline promises.
        skipped_packets: Packets that the decoder rejected.
        corrupt_frames: Decoded frames that the decoder marks as damaged.
        truncated: The file is known to end early.
        first_error: libav's first complaint, empty if none.
    """

    frames: int
    expected: int
    skipped_packets: int
    corrupt_frames: int
    truncated: bool
    first_error: str

    @property
    def sound(self) -> bool:
        """Nothing is missing and nothing damaged."""
        return self.frames == self.expected and not (self.skipped_packets or self.corrupt_frames or self.truncated)


def probe(path: str | Path, limits: Limits | None = None) -> VideoFacts:
    """Read the facts of a file; nothing is decoded where the container can be trusted.

    Raises:
        UnreadableVideo: The file gives no frames.
    """
    backend = PyAVBackend(Path(path), limits or Limits())
    try:
        timeline = backend.timeline
        return VideoFacts(
            frames=len(timeline),
            duration=timeline.duration,
            fps=timeline.fps,
            height=timeline.height,
            width=timeline.width,
            codec=timeline.codec,
            pix_fmt=timeline.pix_fmt,
            size_bytes=timeline.size_bytes,
            truncated=timeline.truncated,
            key_frames=int(backend.table.keys.sum()),
            doubt=backend.table.doubt,
        )
    finally:
        backend.close()


def full_decode_check(path: str | Path, limits: Limits | None = None) -> DecodeReport:
    """Decode every frame of a file without converting or keeping any.

    Raises:
        UnreadableVideo: The file gives no frames.
    """
    backend = PyAVBackend(Path(path), limits or Limits())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamagedVideoWarning)  # the report says it
            expected = len(backend.timeline)
            frames = corrupt = 0
            for _, frame in backend.frames():
                frames += 1
                corrupt += frame.is_corrupt
        return DecodeReport(
            frames=frames,
            expected=expected,
            skipped_packets=backend.counters.skipped_packets,
            corrupt_frames=corrupt,
            truncated=backend.timeline.truncated,
            first_error=backend.first_error,
        )
    finally:
        backend.close()
