"""Opening a file with libav: only real media formats, only the file itself, only sane sizes."""

from pathlib import Path
from typing import Any

import av

from datamodules.video.backend import Limits
from datamodules.video.unreadable import UnreadableVideo
from records.limits import raised

# Formats that are media by content. Playlists and scripts, which name other files, and text, which libav would show as
# a video of letters, are not among them.
_FORMATS = (
    "mov,mp4,matroska,webm,avi,mpeg,mpegvideo,mpegts,flv,asf,ogg,rm,mxf,nut,ivf,dv,3gp,h264,hevc,m4v,obu,yuv4mpegpipe,"
    "gif,apng,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe,jpegxl_pipe,mjpeg,mp3,aac,wav,flac"
)
# What ends the reading of packets. (PyAV stumbles over a stream that first shows up at the end of a damaged file.)
BROKEN_OFF = (av.error.FFmpegError, IndexError)
_ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC: the cover of a song


def open_video(path: Path, limits: Limits) -> tuple[Any, Any]:
    """Open a file and its best video stream, with one decoder thread.

    Args:
        path: The file.
        limits: What to refuse.

    Returns:
        ``(container, stream)`` of PyAV; the caller closes the container. Every property of a stream must be read
        before that.

    Raises:
        UnreadableVideo: The file is missing, empty, no video, or too large.
    """
    _check_file(path)
    options = {
        "format_whitelist": _FORMATS,
        "protocol_whitelist": "file",
        # Also holds for the frames that libav decodes while it probes.
        "max_pixels": str(limits.max_pixels),
    }
    try:
        # The prefix keeps a name with a colon from being read as a protocol.
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _not_a_video(path, error) from error
    try:
        return container, _best_stream(container, path, limits)
    except BaseException:
        container.close()
        raise


def _check_file(path: Path) -> None:
    if not path.is_file():
        what = "is a folder or a device" if path.exists() else "no such file"
        raise UnreadableVideo(what, reason="missing file", where=str(path), mend="mend the path")
    if path.stat().st_size == 0:
        raise UnreadableVideo(
            "the file is empty", reason="zero bytes", where=str(path), mend="copy it again, or leave it out"
        )


def _not_a_video(path: Path, error: Exception) -> UnreadableVideo:
    try:
        head = path.open("rb").read(12)
    except OSError:
        mend = "give a file that you may read"
        return UnreadableVideo(f"cannot be read ({error})", reason="missing file", where=str(path), mend=mend)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return UnreadableVideo(
            "the index of this mp4 is missing or broken, as when a download stops early",
            reason="index missing",
            where=str(path),
            mend="fetch the file again",
        )
    return UnreadableVideo("not a video", reason="not a video", where=str(path), mend="leave it out")


def _best_stream(container: Any, path: Path, limits: Limits) -> Any:
    stream = container.streams.best("video")
    if stream is None or stream.disposition.value & _ATTACHED_PICTURE:
        raise UnreadableVideo("has no video stream", reason="no video stream", where=str(path), mend="leave it out")
    context = stream.codec_context
    if context is None:
        raise UnreadableVideo(
            "its video codec is unknown to libav", reason="unknown codec", where=str(path), mend="transcode it"
        )
    if context.width * context.height > limits.max_pixels:
        raise too_large(f"frames of {context.width}x{context.height}", path, limits)
    # One: workers multiply already, dropping frames packet by packet needs it, and frame threads hide errors.
    context.thread_count = 1
    context.thread_type = "NONE"
    context.options = {"max_pixels": str(limits.max_pixels)}
    return stream


def too_large(what: str, path: Path, limits: Limits) -> UnreadableVideo:
    """The error for frames of more pixels than allowed."""
    return UnreadableVideo(
        f"{what} exceed the limit of {limits.max_pixels} pixels",
        reason="too large",
        where=str(path),
        mend=f"scale the video down, or {raised('VIDEO_PIXELS')}",
    )
