"""Small clips of known content, and the plainest way of decoding them, to compare readers with."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 25


def make_clip(
    path: Path,
    frames: int = 24,
    height: int = 48,
    width: int = 64,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pts: Callable[[int], int] = lambda index: index,
    rate: int = RATE,
    b_frames: int | None = None,
    gop: int | None = None,
    color_range: int = 0,
    colorspace: int = 2,
    rotation: tuple[float, bool, bool] | None = None,
    muxer: dict[str, str] | None = None,
    picture: Callable[[int], np.ndarray] | None = None,
    **options: str,
) -> Path:
    """Encode moving texture; ``options`` go to the encoder. Times are ``pts(index) / rate`` seconds."""
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.time_base = Fraction(1, rate)
        context = stream.codec_context
        context.color_range, context.colorspace = color_range, colorspace
        if b_frames is not None:
            context.max_b_frames = b_frames
        if gop is not None:
            context.gop_size = gop
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1], vflip=rotation[2])
        for index in range(frames):
            rgb = texture(index, height, width) if picture is None else picture(index)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = pts(index), Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def texture(index: int, height: int, width: int) -> np.ndarray:
    """A picture unlike that of any other index: stripes that move, under noise that changes."""
    y, x = np.mgrid[:height, :width]
    stripes = 128 + 60 * np.sin((x + 2 * y + 5 * index) / 7)[..., None] + np.array([30, 0, -30])
    noise = np.random.default_rng(index).integers(-25, 25, (height, width, 1))
    return np.clip(stripes + noise, 0, 255).astype(np.uint8)


def remux(source: Path, target: Path, keep: Callable[[int], bool] = lambda packet: True, shift_s: float = 0.0) -> Path:
    """Copy packets, all or some, into another file."""
    muxer = {"avoid_negative_ts": "disabled", "use_editlist": "1"} if shift_s < 0 else {}
    with av.open(str(source)) as old, av.open(str(target), "w", options=muxer) as new:
        stream = old.streams.video[0]
        out = new.add_stream_from_template(stream)
        for number, packet in enumerate(old.demux(stream)):
            if packet.size and keep(number):
                shift = round(shift_s / stream.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, out
                new.mux(packet)
    return target


def plain_decode(path: Path, wanted: Iterable[int] | None = None) -> tuple[int, dict[int, np.ndarray]]:
    """Number of frames of the best video stream and the wanted ones (all) as RGB, turned as the frame says."""
    wanted = None if wanted is None else set(wanted)
    pictures: dict[int, np.ndarray] = {}
    count = 0
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        stream.thread_type = "NONE"
        for packet in container.demux(stream):
            try:
                frames = stream.codec_context.decode(packet if packet.size else None)
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                if wanted is None or count in wanted:
                    pictures[count] = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
                count += 1
    return count, pictures
