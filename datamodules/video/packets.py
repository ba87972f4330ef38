"""The packet table of a video: what its container says about every compressed frame, read without decoding."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.video import h264
from datamodules.video.backend import Limits
from datamodules.video.ends_early import ends_early
from datamodules.video.opening import BROKEN_OFF
from datamodules.video.unreadable import UnreadableVideo
from records.limits import raised

# Containers that store a presentation time with every packet, and codecs whose packets hold one shown frame each.
# (A VP8 packet may hold a frame that is never shown.)
_TIMED_CONTAINERS = {"mov", "matroska", "flv"}
_ONE_TO_ONE_CODECS = {"h264", "hevc", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "prores", "dnxhd"}


@dataclass(frozen=True)
class PacketTable:
    """Packets of one video stream in stored (decoding) order.

    Args:
        pts: (n,) int64 presentation times, in ``time_base``; decoding times or -1 where there is none.
        dts: (n,) int64 decoding times, in ``time_base``.
        durations: (n,) int64 durations, in ``time_base``; 0 where the container says nothing.
        sizes: (n,) int64 bytes.
        keys: (n,) bool, decoding may start here.
        shown: (n,) bool, the packet's frame belongs to the presentation (False for what an edit list cuts off).
        time_base: Seconds per unit of time.
        container: libav's first name of the container format.
        truncated: The file is known to end early.
        doubt: Why the table can't be planned with; empty when it can.
    """

    pts: np.ndarray
    dts: np.ndarray
    durations: np.ndarray
    sizes: np.ndarray
    keys: np.ndarray
    shown: np.ndarray
    time_base: float
    container: str
    truncated: bool
    doubt: str

    @property
    def reliable(self) -> bool:
        """Frames, their order and their entry points can be told from the table."""
        return not self.doubt

    @cached_property
    def order(self) -> np.ndarray:
        """(frames,) packet of every frame, in presentation order."""
        shown = np.flatnonzero(self.shown)
        return shown[np.argsort(self.pts[shown], kind="stable")]

    @cached_property
    def key_of(self) -> np.ndarray:
        """(n,) the key frame from which each packet can be decoded, where keys[0] is one.

        A frame that is stored after a key frame and shown before it (a leading frame of an open group of pictures)
        refers to frames of the group before, so it belongs to the key frame before.
        """
        keys = np.flatnonzero(self.keys)
        group = np.searchsorted(keys, np.arange(len(self.keys)), side="right") - 1
        return keys[np.maximum(group - self.leading, 0)]

    @cached_property
    def leading(self) -> np.ndarray:
        """(n,) bool, stored after a key frame, shown before it."""
        keys = np.flatnonzero(self.keys)
        group = np.searchsorted(keys, np.arange(len(self.keys)), side="right") - 1
        return self.pts < self.pts[keys[group]]

    @cached_property
    def packet_of_pts(self) -> dict[int, int]:
        """Packet by presentation time."""
        return {time: packet for packet, time in enumerate(self.pts.tolist())}

    @cached_property
    def index_of_pts(self) -> dict[int, int]:
        """Frame index by presentation time."""
        return {time: index for index, time in enumerate(self.pts[self.order].tolist())}


def read_packets(container: Any, stream: Any, path: Path, limits: Limits) -> PacketTable:
    """Read the table of ``stream`` from a container that stands at its beginning; it stands at the end afterwards.

    Raises:
        UnreadableVideo: There are more packets than ``limits.max_frames``.
    """
    name = str(container.format.name).split(",")[0]
    context = stream.codec_context
    width = h264.length_width(bytes(context.extradata or b"")) if context.codec.canonical_name == "h264" else 0
    rows: list[tuple[Any, ...]] = []
    seen, broken = 0, False
    try:
        for packet in container.demux(stream):
            if packet.pts is None and packet.dts is None and not packet.size:
                continue  # PyAV's mark of the end
            seen += 1
            if seen > limits.max_frames:
                told, mend = f"has more than {limits.max_frames} frames", f"cut it, or {raised('VIDEO_FRAMES')}"
                raise UnreadableVideo(told, reason="too large", where=str(path), mend=mend)
            if usable(packet, name):
                pts, dts = packet.pts, packet.dts
                untimed = pts is None
                pts = next((time for time in (pts, dts) if time is not None), -1)
                dts = pts if dts is None else dts
                length = packet.duration or 0
                key = packet.is_keyframe and (not width or h264.is_entry(bytes(packet), width))
                rows.append((pts, dts, length, packet.size, key, not packet.is_discard, untimed))
            else:
                broken |= packet.is_corrupt
    except BROKEN_OFF:
        broken = True
    columns = list(zip(*rows, strict=True)) or [()] * 7
    pts, dts, durations, sizes = (np.array(column, np.int64) for column in columns[:4])
    keys, shown, guessed = (np.array(column, bool) for column in columns[4:])
    table = PacketTable(
        pts=pts,
        dts=dts,
        durations=durations,
        sizes=sizes,
        keys=keys,
        shown=shown,
        time_base=float(stream.time_base),
        container=name,
        truncated=broken or len(getattr(stream, "index_entries", ())) > seen or ends_early(path),
        doubt="",
    )
    return replace(table, doubt=_doubt(table, context, bool(guessed.any())))


def usable(packet: Any, container: str) -> bool:
    """Whether to give a packet to the decoder.

    An empty one is AVI's way of saying that the last picture stays, and would tell the decoder that the stream ends.
    One that the file's end has cut off holds part of a frame. (MPEG-TS marks lost packets in the same way.)
    """
    return packet.size > 0 and (not packet.is_corrupt or container == "mpegts")


def _doubt(table: PacketTable, context: Any, untimed: bool) -> str:
    """Why frames can't be told from packets, or nothing."""
    codec = context.codec.canonical_name
    if not len(table.pts):
        return "there is no packet"
    # AVI has no presentation times: they are known only where frames are stored in the order of showing.
    if table.container not in _TIMED_CONTAINERS and (table.container != "avi" or context.has_b_frames):
        return f"times and key frames of {table.container} are not relied on"
    if codec not in _ONE_TO_ONE_CODECS:
        return f"packets of {codec} may hold no frame or several"
    if codec == "h264" and not h264.length_width(bytes(context.extradata or b"")):
        return "its units are not stored as in mp4"
    # FFmpeg counts AV_FIELD_UNKNOWN 0, AV_FIELD_PROGRESSIVE 1, then the interlaced orders (PyAV 18.1 tells).
    if codec in ("h264", "mpeg2video") and int(getattr(context, "field_order", 0)) > 1:
        return "a packet may hold a field, half a frame"
    if untimed or len(np.unique(table.pts)) != len(table.pts):
        return "presentation times are missing or double"
    if not table.keys[0]:
        return "the first packet is no key frame"
    if not table.shown.any():
        return "no packet is shown"
    if not context.width or not context.height or context.pix_fmt is None:
        return "the container states no frame size"
    return ""
