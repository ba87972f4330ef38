"""What decord and torchcodec have in common: frames by index, correct only on files of which libav is certain."""

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from datamodules.video.backend import Backend, Limits
from datamodules.video.colour import limited_grey
from datamodules.video.picture import Picture
from datamodules.video.pyav_backend import PyAVBackend
from datamodules.video.timeline import Timeline
from datamodules.video.unreadable import UnreadableVideo
from records.errors import UserError


class IndexedBackend(Backend):
    """A decoder that counts frames by itself; refuses files on which such counting is known to go wrong.

    The timeline comes from PyAV, so that an index means the same frame in every backend.
    """

    name: str
    refused_codecs: frozenset[str] = frozenset()

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        probe = PyAVBackend(path, limits)
        try:
            self._check(probe)
            self._timeline = probe.timeline
        finally:
            probe.close()
        try:
            times = self._open()
        except UserError:
            raise
        except Exception as error:
            self._refuse(f"cannot open it ({_first_line(error)})")
        self._compare(times)

    @property
    def timeline(self) -> Timeline:
        """Times and facts, from PyAV."""
        return self._timeline

    def pictures(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Fetch frames; see the base class."""
        height, width = self.timeline.height, self.timeline.width
        for index in indices:
            try:
                frame = self._fetch(index)
            except Exception as error:
                self._refuse(f"cannot decode frame {index} ({_first_line(error)})")
            if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
                self._refuse(f"gives {frame.dtype} of {frame.shape} for {height}x{width} pixels")
            self.counters.decoded_frames += 1
            yield Picture(index, float(self.timeline.times[index]), height, width, partial(np.asarray, frame))

    @abstractmethod
    def _open(self) -> np.ndarray:
        """Open the file and return the (n,) presentation times of all frames in seconds, nan where unknown."""

    @abstractmethod
    def _fetch(self, index: int) -> np.ndarray:
        """Decode one frame: uint8 (height, width, 3), upright; a step ahead must not decode anew from a key frame."""

    def _check(self, probe: PyAVBackend) -> None:
        table = probe.table
        if not table.reliable:
            self._refuse(f"counts frames wrongly where {table.doubt}")
        if table.truncated:
            self._refuse("does not read files that end early")
        if probe.codec in self.refused_codecs:
            self._refuse(f"cannot decode {probe.codec}")
        if probe.mirrored():
            self._refuse("does not mirror pictures as the file demands")
        if limited_grey(probe.timeline.pix_fmt, probe.color_range, probe.codec):
            self._refuse("takes limited-range grey as full range")

    def _compare(self, times: np.ndarray) -> None:
        ours = self.timeline.times
        if len(times) != len(ours):
            self._refuse(f"counts {len(times)} frames of {len(ours)}")
        known = np.isfinite(times)
        drift = np.abs(times - times[:1] - ours)[known]
        step = float(np.diff(ours).min()) if len(ours) > 1 else 1.0
        if len(drift) and drift.max() > max(step / 2, 1e-3):
            self._refuse(f"puts frames up to {drift.max():.3f} s beside their time")

    def _refuse(self, why: str) -> NoReturn:
        raise UnreadableVideo(
            f"{self.name} {why}", reason="backend limits", where=str(self.path), mend="read it with reader: pyav"
        )


def _first_line(error: Any) -> str:
    """The gist of a C++ error: its first line, without clock times and places in source files."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return re.sub(r"(\[[\d:]+\] )?/\S+:\d+: ", "", line)
