"""One decode of a clip into H.264 files of fixed quantisers; one thread, so that bytes are the same each time."""

import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from datamodules.video.backend import Limits
from datamodules.video.opening import open_video
from datamodules.video.orientation import Orientation, frame_orientation, matrix_orientation
from datamodules.video.pyav_backend import PyAVBackend
from datamodules.video.unreadable import DamagedVideoWarning
from records.errors import UserError

PRESET = "veryfast"


def encode_all(source: Path, targets: Mapping[Path, int]) -> int:
    """Encode all frames of a clip once for each target: MP4 without sound, 4:2:0 of 8 bit, B frames allowed.

    Size, times, display matrix, shape of the pixels, and colour tags stay; a side of odd length loses its last line.

    Args:
        source: A video.
        targets: File to write to its quantiser, 0..51; frames between key frames get it, key frames 3 less, as x264
            does.

    Returns:
        The number of frames.

    Raises:
        UserError: The clip is no video, or is damaged.
    """
    clock, shape = _clock_and_shape(source)
    backend = PyAVBackend(source, Limits())
    try:
        with warnings.catch_warnings(), ExitStack() as open_files:
            warnings.simplefilter("ignore", DamagedVideoWarning)  # it ends in an error here
            times = backend.timeline.times
            outputs: list[tuple[Any, Any]] = []
            last = -1
            count = 0
            for index, frame in backend.frames():
                if not outputs:
                    rate = Fraction(len(times) / backend.timeline.duration).limit_denominator(1001)
                    for path, quantiser in targets.items():
                        container = open_files.enter_context(av.open(str(path), "w", format="mp4"))
                        outputs.append((container, _stream(container, frame, rate, quantiser, clock, shape)))
                _refuse(source, backend, "damaged" if frame.is_corrupt else "")
                picture = _planar(frame)
                # Times of the source's clock, from 0 on; some files repeat one.
                last = max(last + 1, round(times[index] / clock))
                picture.pts, picture.time_base = last, clock
                picture.pict_type = 0  # else the encoder repeats the source's choice of key frames
                for container, stream in outputs:
                    container.mux(stream.encode(picture))
                count += 1
            _refuse(source, backend, "" if count == len(times) else f"{count} of {len(times)} frames can be decoded")
            for container, stream in outputs:
                container.mux(stream.encode())
        return count
    finally:
        backend.close()


def _refuse(source: Path, backend: PyAVBackend, what: str) -> None:
    if not what and backend.counters.skipped_packets:
        what = f"damaged: {backend.first_error}"
    if not what and backend.timeline.truncated:
        what = "cut short"
    if what:
        raise UserError(what, where=str(source), mend="leave it out")


def _clock_and_shape(source: Path) -> tuple[Fraction, Fraction | None]:
    """Seconds of one tick of the source's times, and width of a pixel by its height, None where nothing is said."""
    container, stream = open_video(source, Limits())
    with container:
        return stream.time_base, stream.sample_aspect_ratio


def _stream(container: Any, frame: Any, rate: Fraction, quantiser: int, clock: Fraction, shape: Fraction | None) -> Any:
    stream = container.add_stream("libx264", rate=rate, options={"qp": str(quantiser), "preset": PRESET})
    stream.width, stream.height, stream.pix_fmt = frame.width // 2 * 2, frame.height // 2 * 2, "yuv420p"
    context = stream.codec_context
    context.thread_count, context.time_base = 1, clock
    context.color_range, context.colorspace = frame.color_range, frame.colorspace
    context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
    if shape:
        context.sample_aspect_ratio = shape
    if (turn := frame_orientation(frame)) != Orientation():
        stream.set_display_rotation(*_turns()[turn])
    return stream


def _planar(frame: Any) -> Any:
    """The frame as 4:2:0 of 8 bit, even sides, tags kept."""
    height, width = frame.height // 2 * 2, frame.width // 2 * 2
    if (height, width) != (frame.height, frame.width):
        full = frame.reformat(format="yuv444p").to_ndarray()[:, :height, :width]
        even = av.VideoFrame.from_ndarray(np.ascontiguousarray(full), format="yuv444p")
        even.color_range, even.colorspace = frame.color_range, frame.colorspace
        frame = even
    return frame.reformat(format="yuv420p")


def _turns() -> dict[Orientation, tuple[float, bool, bool]]:
    """Angle and flips, as PyAV takes them, of each way to lay a picture."""
    turns: dict[Orientation, tuple[float, bool, bool]] = {}
    for quarter in range(4):
        for flip in (False, True):
            cos, sin = (1, 0, -1, 0)[quarter], (0, 1, 0, -1)[quarter]
            across = -1 if flip else 1
            matrix = (across * cos, -sin, 0, across * sin, cos)
            turns.setdefault(matrix_orientation(matrix), (90.0 * quarter, flip, False))
    return turns
