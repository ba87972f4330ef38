"""Which packets must be decoded to get the wanted frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datamodules.video.packets import PacketTable


@dataclass(frozen=True)
class Segment:
    """A run of packets to decode from a key frame on.

    Args:
        start: First packet, a key frame.
        stop: Last packet, inclusive: the last one that holds a wanted frame.
        wanted: Packets that hold wanted frames.
    """

    start: int
    stop: int
    wanted: frozenset[int]


def plan(table: PacketTable, indices: Sequence[int]) -> list[Segment]:
    """Plan the decoding of frames: each needs the packets from its key frame to its own; runs that meet are joined.

    Args:
        table: A reliable packet table.
        indices: Frame indices in presentation order, ascending.

    Returns:
        Segments whose frames, one segment after the other, come out in the order of ``indices``.
    """
    segments: list[Segment] = []
    for packet in table.order[np.asarray(indices, np.int64)].tolist():
        start, stop, wanted = int(table.key_of[packet]), packet, frozenset([packet])
        while segments and start <= segments[-1].stop + 1:
            last = segments.pop()
            start, stop, wanted = min(start, last.start), max(stop, last.stop), wanted | last.wanted
        segments.append(Segment(start, stop, wanted))
    return segments
