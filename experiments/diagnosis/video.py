"""Whether videos can be read: the codecs of PyAV, a clip encoded and decoded again, and every decoder backend."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from experiments.diagnosis.finding import Finding, Level, told

DECODERS = {"h264": "H.264", "hevc": "HEVC", "vp9": "VP9", "av1": "AV1"}
# A clip of so many frames, each a level of grey; a codec may move a level by TOLERANCE.
LEVELS, SIDE, TOLERANCE = (32, 96, 160, 224), 64, 8
_MEND = "pip install --force-reinstall 'av>=17.1'"


def video() -> Iterator[Finding]:
    """Decoders, a round trip through H.264, and the same clip through every backend."""
    try:
        import av
    except Exception as error:
        yield Finding("error", "video", f"PyAV cannot be imported ({told(error)})", _MEND)
        return
    lacking = [title for name, title in DECODERS.items() if not _has(name, "r")]
    if lacking:
        yield Finding("error", "video", f"PyAV {av.__version__} cannot decode {', '.join(lacking)}", _MEND)
    else:
        yield Finding("ok", "video", f"PyAV {av.__version__} decodes {', '.join(DECODERS.values())}")
    if not _has("libx264", "w"):
        what = "PyAV cannot encode H.264; degradations and ladders fall back to MPEG-4, whose pictures differ"
        yield Finding("warning", "video", what, _MEND)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        try:
            _write(clip)
        except Exception as error:
            yield Finding("error", "video", f"a clip could not be encoded ({told(error)})", _MEND)
            return
        yield from _backends(clip)


def _has(codec: str, mode: str) -> bool:
    from av.codec import Codec

    try:
        Codec(codec, mode)
    except Exception:  # av.codec.codec.UnknownCodecError, and its name has moved between releases
        return False
    return True


def _write(clip: Path) -> None:
    import av
    import numpy as np

    codec: Any = "libx264" if _has("libx264", "w") else "mpeg4"
    with av.open(str(clip), "w") as container:
        stream: Any = container.add_stream(codec, rate=4)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for level in LEVELS:
            picture = np.full((SIDE, SIDE, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _backends(clip: Path) -> Iterator[Finding]:
    from datamodules.video.reader import BackendName
    from records.errors import UserError

    for name in get_args(BackendName):
        try:
            levels = _read(clip, name)
        except UserError as error:
            yield Finding("note", f"reader {name}", error.what, error.mend.partition(",")[0])
            continue
        except Exception as error:
            level: Level = "error" if name == "pyav" else "warning"
            mend = _MEND if name == "pyav" else f"pip install --force-reinstall {name}"
            yield Finding(level, f"reader {name}", f"does not read ({told(error)})", mend)
            continue
        off = max((abs(one - two) for one, two in zip(levels, LEVELS, strict=False)), default=255)
        if len(levels) != len(LEVELS) or off > TOLERANCE:
            what = f"gives other frames than were encoded: grey levels {levels}, not {list(LEVELS)}"
            yield Finding("error", f"reader {name}", what, "--data.init_args.reader pyav" if name != "pyav" else _MEND)
        else:
            yield Finding("ok", f"reader {name}", "gives back the clip that was encoded")


def _read(clip: Path, backend: Any) -> list[int]:
    """Mean level of every frame."""
    from datamodules.video.reader import VideoReader

    with VideoReader(clip, backend) as reader:
        count = len(reader.timeline)
        return [round(float(picture.rgb().mean())) for picture in reader.pictures(range(count))]
