"""One colour path: stated matrix and range, 8 and 10 bits, grey and alpha."""

from pathlib import Path

import av
import numpy as np
import pytest

from datamodules.video.reader import VideoReader

WEIGHTS = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
SPACES = {"none": (2, "601"), "709": (1, "709"), "601": (5, "601"), "2020": (9, "2020")}


def expected(yuv: tuple[int, int, int], matrix: str, full: bool) -> np.ndarray:
    """RGB by the definition of the matrix."""
    red, blue = WEIGHTS[matrix]
    y, u, v = yuv
    luma = y / 255 if full else (y - 16) / 219
    chroma = 255 if full else 224
    r = luma + 2 * (1 - red) * (v - 128) / chroma
    b = luma + 2 * (1 - blue) * (u - 128) / chroma
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.array([r, g, b]) * 255, 0, 255)


def flat_clip(path: Path, yuv: tuple[int, ...], pix_fmt: str, color_range: int, space: int = 2, **options: str) -> Path:
    """Three frames of one colour, given in the levels of 8 bits."""
    codec = options.pop("codec", "libx264")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.color_range, stream.codec_context.colorspace = color_range, space
        frame = av.VideoFrame(64, 48, pix_fmt)
        frame.color_range = color_range
        for plane, value in zip(frame.planes, yuv, strict=True):
            if "10" in pix_fmt:
                plane.update(np.full(plane.buffer_size // 2, value * 4, np.uint16).tobytes())
            else:
                plane.update(bytes([value]) * plane.buffer_size)
        for index in range(3):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def colour(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return next(reader.pictures([1])).rgb()[20, 30].astype(float)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("color_range", [0, 1, 2], ids=["unsaid", "limited", "full"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_matrix_and_range_are_those_the_stream_states(
    tmp_path: Path, pix_fmt: str, color_range: int, space: str
) -> None:
    code, matrix = SPACES[space]
    path = flat_clip(tmp_path / "c.mp4", (150, 100, 170), pix_fmt, color_range, code, qp="0")
    assert np.abs(colour(path) - expected((150, 100, 170), matrix, color_range == 2)).max() < 3.5


def test_full_and_limited_range_differ_where_it_matters(tmp_path: Path) -> None:
    limited = colour(flat_clip(tmp_path / "l.mp4", (16, 128, 128), "yuv420p", 1, 5, qp="0"))
    full = colour(flat_clip(tmp_path / "f.mp4", (16, 128, 128), "yuvj420p", 2, 5, qp="0"))
    assert limited.max() <= 1
    assert abs(full.mean() - 16) <= 1


@pytest.mark.parametrize(
    ("codec", "color_range", "level"), [("libx265", 1, 156), ("libx265", 2, 150), ("ffv1", 0, 150)]
)
def test_grey_is_stretched_like_the_luma_of_colour(tmp_path: Path, codec: str, color_range: int, level: float) -> None:
    options = {"x265-params": "lossless=1:log-level=none"} if codec == "libx265" else {}
    path = flat_clip(tmp_path / "grey.mkv", (150,), "gray", color_range, codec=codec, **options)
    with VideoReader(path) as reader:
        assert reader.timeline.pix_fmt == "gray"
    red, green, blue = colour(path)
    assert red == green == blue
    assert abs(red - level) <= 1


def test_alpha_is_dropped(tmp_path: Path) -> None:
    path = flat_clip(tmp_path / "alpha.mkv", (150, 100, 170, 7), "yuva420p", 1, 5, codec="ffv1")
    assert np.abs(colour(path) - expected((150, 100, 170), "601", False)).max() < 3.5
