"""Decoding with torchcodec, where it and FFmpeg's shared libraries are installed."""

from pathlib import Path
from typing import Any

import numpy as np

from datamodules.video.backend import Limits
from datamodules.video.indexed_backend import IndexedBackend
from records.errors import UserError


class TorchCodecBackend(IndexedBackend):
    """torchcodec with an exact index; see the base class."""

    name = "torchcodec"

    def __init__(self, path: Path, limits: Limits) -> None:
        self._decoder: Any = None
        self._decoder_class = _decoder_class()
        super().__init__(path, limits)

    def close(self) -> None:
        """Release the file."""
        self._decoder = None

    def _open(self) -> np.ndarray:
        try:
            self._decoder = self._decoder_class(
                str(self.path.absolute()), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact"
            )
        except RuntimeError as error:
            if "libtorchcodec" in str(error):  # some versions look for FFmpeg here, some when imported
                raise _no_ffmpeg() from error
            raise
        # It tells the time of a frame only with the frame, where it is compared.
        times = np.full(len(self._decoder), np.nan)
        times[0] = self._begin = float(self._decoder.metadata.begin_stream_seconds or 0)
        return times

    def _fetch(self, index: int) -> np.ndarray:
        frame = self._decoder.get_frame_at(index)
        drift = abs(frame.pts_seconds - self._begin - self.timeline.times[index])
        if drift > self.timeline.duration / len(self.timeline) / 2:
            raise ValueError(f"it comes {drift:.3f} s beside its time")
        return np.asarray(frame.data)


def _decoder_class() -> Any:
    try:
        from torchcodec.decoders import VideoDecoder
    except ImportError as error:
        raise UserError(
            "reader 'torchcodec' is not installed",
            where="data.init_args.reader",
            mend="pip install -e '.[torchcodec]', or use reader: pyav",
        ) from error
    except (RuntimeError, OSError) as error:
        raise _no_ffmpeg() from error
    return VideoDecoder


def _no_ffmpeg() -> UserError:
    return UserError(
        "reader 'torchcodec' finds no FFmpeg that it can use",
        where="data.init_args.reader",
        mend="install FFmpeg 4 to 9 with its shared libraries, or use reader: pyav",
    )
