"""Everything that one video file can tell, gathered in the process that opens it."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from datamodules.video.full_decode import full_decode_check
from datamodules.video.reader import VideoReader
from datamodules.video.unreadable import UnreadableVideo
from experiments.data_report.similar import fingerprint
from records.hashing import file_hash
from records.places import MEND, leads_out, named_root

# Where the three frames that stand for a video are taken, as shares of its duration.
MOMENTS = (1 / 6, 1 / 2, 5 / 6)


@dataclass
class Scan:
    """Facts of one file.

    Args:
        id: The file's id.
        error: Why no frame can be had; empty when some can.
        size_bytes: Size of the file; 0 where there is none.
        digest: SHA-256 of its bytes; empty when it was not asked for.
        frames: Frames of the video.
        height: Upright height, pixels.
        width: Upright width, pixels.
        fps: Mean frames per second.
        duration: Seconds.
        codec: Name of the codec.
        pix_fmt: libav's pixel format.
        truncated: The container ends too early.
        lost: Frames that could not be decoded.
        skipped: Damaged packets passed over.
        corrupt: Frames that the decoder marks as damaged; looked for only when every frame is decoded.
        prints: Difference hash of each of the three frames; None for one without structure.
    """

    id: str
    error: str = ""
    size_bytes: int = 0
    digest: str = ""
    frames: int = 0
    height: int = 0
    width: int = 0
    fps: float = 0.0
    duration: float = 0.0
    codec: str = ""
    pix_fmt: str = ""
    truncated: bool = False
    lost: int = 0
    skipped: int = 0
    corrupt: int = 0
    prints: tuple[int | None, ...] = ()


def scan(id: str, path: Path, hashed: bool, full: bool) -> Scan:
    """Open one file and look at it; whatever is wrong with it is told, not raised.

    Args:
        id: The file's id.
        path: The file.
        hashed: Hash its bytes.
        full: Decode every frame, not only the three that are compared.
    """
    result = Scan(id)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage is counted here
            result.size_bytes = path.stat().st_size
            result.digest = file_hash(path) if hashed else ""
            _look(result, path, full)
    except UnreadableVideo as error:
        result.error = error.what if error.what.startswith(error.reason) else f"{error.reason}: {error.what}"
    except Exception as error:  # a decoder's own failure must not end the scan of thousands
        result.error = f"{type(error).__name__}: {error}"
    return result


def _look(result: Scan, path: Path, full: bool) -> None:
    root = named_root(path, result.id)
    if root is not None and leads_out(path, root):
        raise UnreadableVideo("leads out of the data root by a link", reason="link out", where=str(path), mend=MEND)
    with VideoReader(path) as reader:
        timeline = reader.timeline
        result.frames, result.height, result.width = len(timeline), timeline.height, timeline.width
        result.fps, result.duration = timeline.fps, timeline.duration
        result.codec, result.pix_fmt, result.truncated = timeline.codec, timeline.pix_fmt, timeline.truncated
        moments = [timeline.nearest(share * timeline.duration) for share in MOMENTS]
        places = sorted(set(moments))
        pictures = reader.pictures(places)
        prints = {place: fingerprint(picture.rgb()) for place, picture in zip(places, pictures, strict=True)}
        result.prints = tuple(prints[place] for place in moments)
        result.lost, result.skipped = reader.substituted, reader.skipped_packets
    if full:
        report = full_decode_check(path)
        result.lost = max(0, report.expected - report.frames)
        result.skipped, result.corrupt = report.skipped_packets, report.corrupt_frames
