"""Decoding with decord, for those who compare with loaders built on it."""

from pathlib import Path
from typing import Any

import numpy as np

from datamodules.video import h264
from datamodules.video.backend import Limits
from datamodules.video.indexed_backend import IndexedBackend
from datamodules.video.pyav_backend import PyAVBackend
from records.errors import UserError

# Below one frame: decord then raises where it would deliver a neighbour in place of a frame that it can't decode.
_FAULT_TOLERANCE = 1e-9


class DecordBackend(IndexedBackend):
    """decord 0.6; see the base class.

    It brings an old FFmpeg without AV1, and fails on damaged files, which :class:`PyAVBackend` reads as far as they go.
    """

    name = "decord"
    refused_codecs = frozenset({"av1"})

    def __init__(self, path: Path, limits: Limits) -> None:
        self._reader: Any = None
        try:
            import decord
        except ImportError as error:
            raise UserError(
                "reader 'decord' is not installed",
                where="data.init_args.reader",
                mend="pip install -e '.[decord]' (x86-64 Linux and Windows only), or use reader: pyav",
            ) from error
        self._decord = decord
        super().__init__(path, limits)

    def close(self) -> None:
        """Release the file."""
        self._reader = None

    def _check(self, probe: PyAVBackend) -> None:
        super()._check(probe)
        if probe.claimed_frames > 2 * len(probe.table.pts) + 100:
            # It takes memory for so many, and ends the process where there is not enough.
            self._refuse(f"believes the header, which claims {probe.claimed_frames} frames")
        if probe.table.leading[probe.table.shown].any():
            self._refuse("gives wrong frames around key frames of open groups of pictures")
        if probe.codec == "h264" and not _every_key_is_instant(probe):
            self._refuse("gives wrong frames after key frames that are no fresh start")

    def _open(self) -> np.ndarray:
        self._reader = self._decord.VideoReader(
            str(self.path.absolute()), ctx=self._decord.cpu(0), num_threads=1, fault_tol=_FAULT_TOLERANCE
        )
        starts = self._reader.get_frame_timestamp(range(len(self._reader)))[:, 0].astype(np.float64)
        return np.where(np.abs(starts) < 1e9, starts, np.nan)  # "no time" comes out as a huge number

    def _fetch(self, index: int) -> np.ndarray:
        frame = self._reader[index]
        # Whoever set decord's process-wide bridge to torch gets a tensor; both turn into an array.
        return frame.asnumpy() if hasattr(frame, "asnumpy") else np.asarray(frame)


def _every_key_is_instant(probe: PyAVBackend) -> bool:
    """Whether each H.264 key frame refreshes the decoder, rather than being a place to recover from."""
    width = h264.length_width(probe.extradata)
    return all(h264.is_instant(bytes(packet), width) for packet in probe.packets() if packet.is_keyframe)
