"""One way from any decoded frame to RGB."""

from typing import Any

import numpy as np

# Codecs whose grey frames use levels 16 to 235 unless they say otherwise, as their coloured ones do.
_LIMITED_BY_DEFAULT = {"hevc", "av1", "vp9", "h264"}
_LIMITED, _FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
_STRETCH = np.clip(np.round((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def to_rgb(reformatter: Any, frame: Any, height: int, width: int, codec: str) -> np.ndarray:
    """Convert a decoded frame.

    Matrix (BT.601, 709, 2020) and range (limited, full) are those that the stream states; BT.601 and limited where it
    states none, as in libav and most loaders. Alpha is dropped; HDR transfer curves are kept as they are, without tone
    mapping.

    Args:
        reformatter: A ``av.video.reformatter.VideoReformatter``, kept between frames: setting one up costs as much as
            converting a small frame.
        frame: The frame.
        height: Stored height to make; a frame of another size (a stream that changes it midway) is scaled.
        width: Stored width to make.
        codec: Name of the codec.

    Returns:
        uint8 (height, width, 3), as stored, not yet upright.
    """
    rgb = reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1).to_ndarray()
    return _STRETCH[rgb] if limited_grey(frame.format.name, int(frame.color_range), codec) else rgb


def limited_grey(pix_fmt: str, color_range: int, codec: str) -> bool:
    """Whether these are grey frames of levels 16 to 235, which libav takes as full range."""
    if not pix_fmt.startswith("gray"):
        return False
    return color_range == _LIMITED or (color_range != _FULL and codec in _LIMITED_BY_DEFAULT)
