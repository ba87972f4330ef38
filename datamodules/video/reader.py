"""The one way into a video file, whichever decoder does the work."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, get_args

from datamodules.video.backend import Backend, Counters, Limits
from datamodules.video.picture import Picture
from datamodules.video.timeline import Timeline
from datamodules.video.unreadable import UnreadableVideo
from records.errors import UserError

__all__ = ["BackendName", "UnreadableVideo", "VideoReader"]

BackendName = Literal["pyav", "decord", "torchcodec"]


class VideoReader:
    """Frames of a video file by index, upright and in RGB, with as little decoding as the wanted frames need.

    Open it in the process that reads, and close it there: decoders don't survive a fork. Every backend gives the same
    frames for the same indices, or refuses the file by name.

    Args:
        path: Video file; its name and suffix decide nothing.
        backend: ``pyav`` reads everything libav reads. ``decord`` and ``torchcodec`` are optional packages.
        max_pixels: Refuse larger frames; pixels, None for ``SUGC_MAX_VIDEO_PIXELS``.
        max_frames: Refuse longer videos; frames, None for ``SUGC_MAX_VIDEO_FRAMES``.

    Raises:
        UnreadableVideo: The file gives no frames; ``reason`` says why.
        UserError: The backend is unknown or not installed.
    """

    def __init__(
        self,
        path: str | Path,
        backend: BackendName = "pyav",
        *,
        max_pixels: int | None = None,
        max_frames: int | None = None,
    ) -> None:
        self.path = Path(path)
        told = {"max_pixels": max_pixels, "max_frames": max_frames}
        limits = Limits(**{name: value for name, value in told.items() if value is not None})
        self._backend = _backend_class(backend)(self.path, limits)
        self._closed = False

    @property
    def timeline(self) -> Timeline:
        """When each frame is shown. Nothing is decoded for it where the container can be trusted."""
        return self._open().timeline

    def pictures(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Decode frames in one pass, each delivered before the next is decoded.

        A frame that damage has made unavailable is replaced by the nearest one that can be had: ``Picture.index`` says
        which, :attr:`substituted` counts.

        Args:
            indices: Wanted positions in presentation order, ascending, each once, in ``[0, len(timeline))``.

        Yields:
            One picture for each index.

        Raises:
            ValueError: ``indices`` do not ascend.
            IndexError: An index lies outside the video.
            UnreadableVideo: No frame at all can be decoded.
        """
        backend = self._open()
        wanted = [int(index) for index in indices]
        if any(after <= before for before, after in itertools.pairwise(wanted)):
            raise ValueError("frame indices must ascend, each once")
        if wanted and not 0 <= wanted[0] <= wanted[-1] < len(self.timeline):
            raise IndexError(f"frames {wanted[0]} to {wanted[-1]} of a video of {len(self.timeline)} frames")
        return backend.pictures(wanted) if wanted else iter(())

    @property
    def counters(self) -> Counters:
        """Work done so far."""
        return self._backend.counters

    @property
    def skipped_packets(self) -> int:
        """Damaged packets passed over, in the latest pass over the file."""
        return self.counters.skipped_packets

    @property
    def substituted(self) -> int:
        """Wanted frames that could not be had and were replaced by their nearest neighbour."""
        return self.counters.substituted

    def close(self) -> None:
        """Release the file; may be called twice."""
        self._closed = True
        self._backend.close()

    def _open(self) -> Backend:
        if self._closed:
            raise ValueError(f"{self.path}: the reader is closed")
        return self._backend

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _backend_class(name: str) -> type[Backend]:
    if name == "pyav":
        from datamodules.video.pyav_backend import PyAVBackend

        return PyAVBackend
    if name == "decord":
        from datamodules.video.decord_backend import DecordBackend

        return DecordBackend
    if name == "torchcodec":
        from datamodules.video.torchcodec_backend import TorchCodecBackend

        return TorchCodecBackend
    mend = f"choose one of {', '.join(get_args(BackendName))}"
    raise UserError(f"unknown reader '{name}'", where="data.init_args.reader", mend=mend)
