"""What decoding all of a video file gives, for data reports."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from datamodules.video.backend import Limits
from datamodules.video.pyav_backend import PyAVBackend
from datamodules.video.unreadable import DamagedVideoWarning


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
