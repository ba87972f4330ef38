"""When each frame of a video is shown."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Timeline:
    """Presentation times and plain facts of one video.

    Args:
        times: (n,) float64 seconds since the first frame, ascending, in presentation order; n >= 1.
        duration: Seconds from the start of the first frame to the end of the last one, above 0.
        height: Upright height in pixels, the display matrix applied.
        width: Upright width in pixels.
        fps: Mean frames per second: n / duration.
        codec: Name of the codec, such as ``h264``.
        pix_fmt: libav's pixel format, such as ``yuv420p``.
        size_bytes: Size of the file.
        truncated: The file is known to end before its last frame does.
    """

    times: np.ndarray = field(repr=False)
    duration: float
    height: int
    width: int
    fps: float
    codec: str
    pix_fmt: str
    size_bytes: int
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.times)

    def nearest(self, seconds: float) -> int:
        """Index of the frame whose time is nearest to ``seconds`` after the first frame; the earlier one of two."""
        after = int(np.searchsorted(self.times, seconds))
        if after == 0:
            return 0
        if after == len(self.times):
            return after - 1
        return after if self.times[after] - seconds < seconds - self.times[after - 1] else after - 1
