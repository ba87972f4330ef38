"""What a video codec leaves of a picture: one H.264 frame, or one that is predicted from shifted copies."""

import warnings
from fractions import Fraction
from functools import lru_cache

import numpy as np

from datamodules.image.degradation.plan import Codec

# libx264's presets differ in what they find for the bits, not in the kind of artefact.
SPEED = "veryfast"


@lru_cache(maxsize=1)
def encoder() -> str:
    """The encoder to use: ``libx264``, or ``mpeg4`` with a warning where this build of PyAV lacks it."""
    import av

    if "libx264" in av.codecs_available:
        return "libx264"
    warnings.warn("PyAV has no libx264 here: the codec stage uses mpeg4, whose artefacts differ", stacklevel=2)
    return "mpeg4"


def pass_codec(picture: np.ndarray, codec: Codec, name: str | None = None) -> np.ndarray:
    """Encode and decode in memory, on one thread: 4:2:0, BT.601, zero latency.

    The picture is extended to even sides by its last row and column, and cut back.

    Args:
        picture: uint8 (h, w, 3) RGB.
        codec: Rate factor, and the copies that come before.
        name: Encoder; None asks :func:`encoder`.

    Returns:
        uint8 (h, w, 3): the last frame.
    """
    import av

    height, width = picture.shape[:2]
    context = av.CodecContext.create(name or encoder(), "w")
    reach = max([1, *(abs(shift) for both in codec.shifts for shift in both)])
    wide = np.pad(picture, ((reach, reach + height % 2), (reach, reach + width % 2), (0, 0)), mode="edge")
    context.height, context.width = height + height % 2, width + width % 2
    context.pix_fmt, context.time_base, context.thread_count = "yuv420p", Fraction(1, 25), 1
    context.options = _options(context.name, codec.crf)
    packets = []
    for number, (down, right) in enumerate([*codec.shifts, (0, 0)]):
        top, left = reach - down, reach - right
        view = wide[top : top + context.height, left : left + context.width]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(view), format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    decoder = av.CodecContext.create("h264" if context.name == "libx264" else context.name, "r")
    decoder.thread_count = 1
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return frames[-1].to_ndarray(format="rgb24")[:height, :width]


def _options(name: str, crf: float) -> dict[str, str]:
    if name == "libx264":
        return {"crf": f"{crf:.3f}", "preset": SPEED, "tune": "zerolatency", "x264-params": "log-level=error"}
    # The quantizer with the same step: 0.625 * 2^(crf / 6) in H.264, twice the quantizer in MPEG-4.
    quantizer = min(31, max(1, round(0.3125 * 2 ** (crf / 6))))
    return {"qmin": str(quantizer), "qmax": str(quantizer)}
