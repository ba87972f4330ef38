"""Planned decoding with PyAV: only the groups of pictures that hold wanted frames, each only as far as needed."""

import errno
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from datamodules.video.backend import Backend, Limits
from datamodules.video.colour import to_rgb
from datamodules.video.opening import BROKEN_OFF, open_video, too_large
from datamodules.video.orientation import frame_orientation, rotated, stream_rotation
from datamodules.video.packets import PacketTable, read_packets, usable
from datamodules.video.picture import Picture
from datamodules.video.plan import Segment, plan
from datamodules.video.timeline import Timeline
from datamodules.video.unreadable import DamagedVideoWarning, UnreadableVideo
from records.limits import raised

# Codecs in which a frame that libav calls non-reference leaves no trace in any later frame. (In HEVC it may be
# referred to by higher temporal layers, in VP9 its probabilities live on.)
_DROPPABLE = {"h264", "mpeg4", "mpeg2video", "mpeg1video"}
# Reading on costs about 2 us a packet; a seek pays only where many bytes are passed over.
_SEEK_BYTES = 4 << 20


class PyAVBackend(Backend):
    """Reads every file that libav reads; see the base class.

    A file whose packet table can be trusted is decoded by plan. At the first sign that the plan does not hold (damage,
    a frame that does not come), and for all other files, the frames left are taken from one pass from the beginning.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        self._reformatter = VideoReformatter()
        self.first_error = ""
        self._over_limit = False  # libav hides the size of frames that it was told not to decode
        self._open()
        self.codec = str(self._context.codec.canonical_name)
        self.extradata = bytes(self._context.extradata or b"")
        self.color_range = int(self._context.color_range)
        self._size = (int(self._context.height), int(self._context.width))

    @cached_property
    def claimed_frames(self) -> int:
        """How many frames the container's header claims; the packet table may tell another number."""
        stream = self._stream
        seconds = (stream.duration or 0) * float(stream.time_base or 0)
        seconds = max(seconds, (self._container.duration or 0) / av.time_base)
        return max(int(stream.frames), round(seconds * float(stream.average_rate or 0)))

    def _open(self) -> None:
        self._container, self._stream = open_video(self.path, self.limits)
        self._context = self._stream.codec_context

    def close(self) -> None:
        """Release the file."""
        self._container.close()
        self._stream = None  # its memory is gone; PyAV would read it all the same

    @cached_property
    def table(self) -> PacketTable:
        """The packet table."""
        table = read_packets(self._container, self._stream, self.path, self.limits)
        if not len(table.pts):
            raise self._nothing_decodable()
        return table

    @cached_property
    def timeline(self) -> Timeline:
        """Times and facts; decodes only where the packet table can't be trusted."""
        table = self.table
        if not table.reliable:
            return self._timeline_of_frames()
        pts = table.pts[table.order]
        turn = rotated(stream_rotation(self._container, self._stream.index) or 0)
        return self._timeline_of(
            (pts - pts[0]) * table.time_base,
            int(table.durations[table.order[-1]]) * table.time_base,
            turn.size(*self._size),
            str(self._context.pix_fmt),
        )

    def pictures(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Decode wanted frames; see the base class."""
        times = self.timeline.times
        wanted = deque(indices)
        if self.table.reliable:
            for index, frame in self._planned(indices):
                if index > wanted[0]:
                    break
                if index == wanted[0]:
                    wanted.popleft()
                    yield self._picture(index, frame, times)
                    if not wanted:
                        return
        yield from self._plain(wanted, times)

    def mirrored(self) -> bool:
        """Whether pictures are laid as no rotation can lay them; decodes a frame of files with a display matrix."""
        if stream_rotation(self._container, self._stream.index) is None:
            return False
        return next((frame_orientation(frame).mirrored for _, frame in self.frames()), False)

    def packets(self) -> Iterator[Any]:
        """All packets that the table lists, from the beginning."""
        _ = self.table  # read from the same container, so before it is opened anew
        self.close()
        self._open()
        yield from self._packets()

    def frames(self) -> Iterator[tuple[int, Any]]:
        """Index and decoded frame of everything that can be decoded, ascending, in one pass from the beginning."""
        self.counters.skipped_packets = 0
        last = -1
        for packet in chain(self.packets(), [None]):
            for frame in self._decode(packet):
                index = self._index(frame) if self.table.reliable else last + 1
                if index > last:
                    last = index
                    yield index, frame

    def _planned(self, indices: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Index and frame of what the planned segments give; ends early where damage shows."""
        table = self.table
        self.counters.skipped_packets = 0
        packets: Iterator[Any] = iter(())
        reached: int | None = None
        for segment in plan(table, indices):
            if reached is None or table.sizes[reached : segment.start].sum() > _SEEK_BYTES:
                try:
                    self._container.seek(int(table.dts[segment.start]), stream=self._stream)
                except av.error.FFmpegError:
                    return
                packets = self._packets()
            for frame in self._segment(packets, segment):
                # How a decoder covers up damage depends on what it has dropped: from here on, drop nothing.
                if self.counters.skipped_packets or frame.is_corrupt:
                    return
                yield self._index(frame), frame
            if self.counters.skipped_packets:
                return
            reached = segment.stop + 1

    def _segment(self, packets: Iterator[Any], segment: Segment) -> Iterator[Any]:
        """Frames of one segment, and whatever else the decoder shows on the way."""
        place = -1
        for packet in packets:
            before, place = place, self.table.packet_of_pts.get(packet.pts, -1)
            if place < segment.start:
                continue
            if before < segment.start < place:
                return  # a seek that landed too late
            drop = self.codec in _DROPPABLE and place not in segment.wanted
            self._context.skip_frame = "NONREF" if drop else "DEFAULT"
            yield from self._decode(packet)
            if place == segment.stop:
                break
        self._context.skip_frame = "DEFAULT"
        yield from self._decode(None)
        self._context.flush_buffers()

    def _plain(self, wanted: deque[int], times: np.ndarray) -> Iterator[Picture]:
        """Wanted frames, or the nearest to each, from a pass over everything."""
        before: tuple[int, Any] | None = None
        for here in self.frames():
            while wanted and here[0] >= wanted[0]:
                nearer = here if before is None or here[0] - wanted[0] < wanted[0] - before[0] else before
                yield self._instead_of(wanted.popleft(), nearer, times)
            if not wanted:
                return
            before = here
        if before is None:
            raise self._nothing_decodable()
        while wanted:
            yield self._instead_of(wanted.popleft(), before, times)

    def _packets(self) -> Iterator[Any]:
        """Packets from where the container stands to its end, or to where it breaks off."""
        try:
            for packet in self._container.demux(self._stream):
                if usable(packet, self.table.container):
                    yield packet
        except BROKEN_OFF:
            return

    def _decode(self, packet: Any) -> list[Any]:
        """Frames that one packet sets free; ``None`` frees the last ones. A damaged packet is passed over."""
        self.counters.decoded_packets += packet is not None
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError as error:
            self.counters.skipped_packets += 1
            self.first_error = self.first_error or str(error.strerror)
            self._over_limit |= error.errno == errno.EINVAL and not self._context.width
            self._warn()
            return []
        self.counters.decoded_frames += len(frames)
        return list(frames)

    def _index(self, frame: Any) -> int:
        return self.table.index_of_pts.get(frame.pts, -1)

    def _instead_of(self, index: int, had: tuple[int, Any], times: np.ndarray) -> Picture:
        if had[0] != index:
            self.counters.substituted += 1
            self._warn()
        return self._picture(*had, times)

    def _picture(self, index: int, frame: Any, times: np.ndarray) -> Picture:
        orientation = frame_orientation(frame)
        stored = self._stored_size(frame)

        def convert() -> np.ndarray:
            try:
                rgb = to_rgb(self._reformatter, frame, stored[0], stored[1], self.codec)
            except av.error.FFmpegError as error:
                raise self._nothing_decodable() from error
            return orientation.upright(rgb)

        return Picture(index, float(times[index]), *orientation.size(*stored), convert)

    def _stored_size(self, frame: Any) -> tuple[int, int]:
        """Height and width before turning: the container's, else the frame's."""
        height, width = self._size
        return (height, width) if height and width else (frame.height, frame.width)

    def _timeline_of_frames(self) -> Timeline:
        """Timeline from decoding everything once."""
        times: list[int | None] = []
        size, pix_fmt, length = (0, 0), "", 0.0
        for index, frame in self.frames():
            if not index:
                size = frame_orientation(frame).size(*self._stored_size(frame))
                pix_fmt = frame.format.name
            times.append(frame.pts)
            self._refuse_long(len(times), size)
            length = (frame.duration or 0) * self.table.time_base
        if not times:
            raise self._nothing_decodable()
        rate = float(self._stream.average_rate or self._stream.base_rate or 25)
        seconds = np.array([np.nan if time is None else time * self.table.time_base for time in times])
        if not (np.diff(seconds) > 0).all() or np.isnan(seconds[0]):
            seconds = np.arange(len(times)) / rate  # missing or jumbled times
        return self._timeline_of(seconds - seconds[0], length, size, pix_fmt)

    def _timeline_of(self, times: np.ndarray, last: float, size: tuple[int, int], pix_fmt: str) -> Timeline:
        """Timeline of ``times`` whose last frame is shown for ``last`` seconds, 0 if unknown."""
        self._refuse_long(len(times), size)
        if last <= 0:
            rate = self._stream.average_rate or self._stream.base_rate or 25
            last = float(np.median(np.diff(times))) if len(times) > 1 else 1 / float(rate)
        duration = float(times[-1]) + last
        return Timeline(
            times=times,
            duration=duration,
            height=size[0],
            width=size[1],
            fps=len(times) / duration,
            codec=self.codec,
            pix_fmt=pix_fmt,
            size_bytes=self.path.stat().st_size,
            truncated=self.table.truncated,
        )

    def _refuse_long(self, frames: int, size: tuple[int, int]) -> None:
        most = self.limits.max_total_pixels
        if frames * size[0] * size[1] > most:
            told = f"{frames} frames of {size[1]}x{size[0]} exceed the limit of {most} pixels in all"
            mend = f"cut it, or {raised('VIDEO_TOTAL_PIXELS')}"
            raise UnreadableVideo(told, reason="too large", where=str(self.path), mend=mend)

    def _warn(self) -> None:
        # The same text each time: Python then shows it once a file.
        message = f"{self.path}: damaged; packets that can't be decoded are passed over"
        warnings.warn(message, DamagedVideoWarning, stacklevel=1)

    def _nothing_decodable(self) -> UnreadableVideo:
        if self._over_limit:
            return too_large("frames", self.path, self.limits)
        return UnreadableVideo(
            "no frame of it can be decoded", reason="no decodable frame", where=str(self.path), mend="leave it out"
        )
