"""What every decoder backend offers to the reader."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from datamodules.video.picture import Picture
from datamodules.video.timeline import Timeline
from records.limits import limit


@dataclass(frozen=True)
class Limits:
    """What is refused before memory or time is spent on it.

    Args:
        max_pixels: Pixels per frame.
        max_frames: Frames per video.
        max_total_pixels: Pixels of all frames together.
    """

    max_pixels: int = field(default_factory=partial(limit, "VIDEO_PIXELS"))
    max_frames: int = field(default_factory=partial(limit, "VIDEO_FRAMES"))
    max_total_pixels: int = field(default_factory=partial(limit, "VIDEO_TOTAL_PIXELS"))


@dataclass
class Counters:
    """Work done and damage met by one reader.

    Args:
        decoded_packets: Compressed packets given to the decoder, the droppable ones that it passes over included.
        decoded_frames: Frames that came out of it.
        skipped_packets: Damaged packets passed over, in the latest pass over the file.
        substituted: Wanted frames that could not be had, for which the nearest one was delivered.
    """

    decoded_packets: int = 0
    decoded_frames: int = 0
    skipped_packets: int = 0
    substituted: int = 0


class Backend(ABC):
    """One open video file.

    Args:
        path: The file.
        limits: What to refuse.

    Raises:
        UnreadableVideo: The file gives no frames, or this backend is known to give wrong ones.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits = path, limits
        self.counters = Counters()

    @property
    @abstractmethod
    def timeline(self) -> Timeline:
        """Times and facts; the same for every backend."""

    @abstractmethod
    def pictures(self, indices: Sequence[int]) -> Iterator[Picture]:
        """Decode the frames of ascending, unique, valid ``indices``, one at a time."""

    @abstractmethod
    def close(self) -> None:
        """Release the file; may be called twice."""
