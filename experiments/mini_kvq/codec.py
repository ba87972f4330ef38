"""Encoding and decoding of short clips, in files and in memory; one thread, so that bytes are the same on every run."""

import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from experiments.mini_kvq.camera import FPS
from records.errors import UserError

# Codec to encoder and its options; {level} is the quality level, the codec's own kind of quantiser.
_ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    # The cap keeps grain, which costs more than all else in a clip, from filling the disk. With macroblock trees, bytes
    # differ from run to run.
    "h264": (
        "libx264",
        {
            "crf": "{level}",
            "preset": "veryfast",
            "maxrate": "400k",
            "bufsize": "800k",
            "x264-params": "mbtree=0{zones}",
        },
    ),
    "hevc": ("libx265", {"preset": "veryfast", "x265-params": "crf={level}:log-level=none:pools=none:frame-threads=1"}),
    "vp9": ("libvpx-vp9", {"crf": "{level}", "deadline": "realtime", "cpu-used": "5"}),
    "mpeg2": ("mpeg2video", {"qmin": "{level}", "qmax": "{level}"}),
    "mpeg4": ("mpeg4", {"qmin": "{level}", "qmax": "{level}"}),
}


def encode(
    frames: Sequence[np.ndarray], path: Path | io.BytesIO, codec: str, level: int, swing: Sequence[int] = (0,)
) -> None:
    """Write an MP4 at 12 frames per second, 4:2:0, 8 bit.

    Args:
        frames: uint8 RGB (height, width, 3), even sizes.
        path: File to write.
        codec: ``h264``, ``hevc``, ``vp9``, ``mpeg2`` or ``mpeg4``.
        level: Quality level in the codec's own scale (crf, or a fixed quantiser for the MPEG ones).
        swing: What is added to the level in each of so many equal parts of the clip; for ``h264`` alone.

    Raises:
        UserError: This build of PyAV lacks the encoder.
    """
    import av

    encoder, options = _ENCODERS[codec]
    if encoder not in av.codecs_available:
        mend = "install the wheel: pip install --only-binary :all: av"
        raise UserError(f"PyAV has no encoder {encoder}", where=f"codec {codec}", mend=mend)
    zones = _zones(len(frames), swing)
    target: Any = path if isinstance(path, io.BytesIO) else str(path)
    with av.open(target, "w", format="mp4") as container:
        stream: Any = None
        for array in frames:
            if stream is None:
                settings = {key: value.format(level=level, zones=zones) for key, value in options.items()}
                stream = container.add_stream(encoder, rate=FPS, options=settings)
                stream.height, stream.width, stream.pix_fmt = *array.shape[:2], "yuv420p"
                stream.codec_context.thread_count = 1
                if codec == "vp9":
                    stream.codec_context.bit_rate = 0
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())


def decode(path: Path | io.BytesIO, format: str = "rgb24") -> Iterator[np.ndarray]:
    """Frames of a clip in order, as arrays of a pixel format (``rgb24`` or ``gray``, the luma as it is coded)."""
    import av

    with av.open(path if isinstance(path, io.BytesIO) else str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for frame in container.decode(video=0):
            yield luma(frame) if format == "gray" else frame.to_ndarray(format=format)


def transcode(frames: Sequence[np.ndarray], codec: str, level: int, swing: Sequence[int] = (0,)) -> list[np.ndarray]:
    """Frames as they come back from a codec."""
    memory = io.BytesIO()
    encode(frames, memory, codec, level, swing)
    memory.seek(0)
    return list(decode(memory))


def luma(frame: Any) -> np.ndarray:
    """Luma plane of a 4:2:0 frame, uint8 (height, width), limited range as coded."""
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def _zones(count: int, swing: Sequence[int]) -> str:
    if not any(swing):
        return ""
    cuts = [count * part // len(swing) for part in range(len(swing) + 1)]
    # Zones take a factor of the bit rate; six levels of crf double the quantiser's step.
    factors = [2 ** (-level / 6) for level in swing]
    parts = zip(pairwise(cuts), factors, strict=True)
    return ":zones=" + "/".join(f"{start},{end - 1},b={factor:.4f}" for (start, end), factor in parts)
