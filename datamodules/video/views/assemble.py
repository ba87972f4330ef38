"""All views of a video from one pass over its frames."""

from collections.abc import Mapping
from pathlib import Path

import torch

from datamodules.video.draw import Draw
from datamodules.video.reader import BackendName, VideoReader
from datamodules.video.views.base import View


def read_views(
    path: str | Path,
    views: Mapping[str, View],
    draw: Draw,
    *,
    backend: BackendName = "pyav",
) -> dict[str, torch.Tensor]:
    """Read every view of a video file with one decode of the union of the frames they need.

    Args:
        path: Video file.
        views: Views by name.
        draw: Random draws of this sample.
        backend: Decoder.

    Returns:
        uint8 tensors by the names of ``views``, each of its view's promised shape.

    Raises:
        UnreadableVideo: The file gives no frames.
        UserError: The backend is not installed.
        ValueError: A view breaks its promise.
    """
    with VideoReader(path, backend=backend) as reader:
        return render_views(reader, views, draw)


def render_views(reader: VideoReader, views: Mapping[str, View], draw: Draw) -> dict[str, torch.Tensor]:
    """Read every view from an open reader; see :func:`read_views`.

    Frames are taken in presentation order, and each is released before the next one is decoded, so that memory holds
    one full frame whatever the number of slots.
    """
    uses: dict[int, list[tuple[str, int]]] = {}
    slots: dict[str, list[torch.Tensor | None]] = {}
    for name, view in views.items():
        wanted = view.frames(reader.timeline, draw)
        if not wanted:
            raise ValueError(f"view '{name}' ({type(view).__name__}) asks for no frame")
        slots[name] = [None] * len(wanted)
        for slot, index in enumerate(wanted):
            if not 0 <= index < len(reader.timeline):
                raise ValueError(
                    f"view '{name}' ({type(view).__name__}) asks for frame {index}"
                    f" of a video of {len(reader.timeline)} frames"
                )
            uses.setdefault(index, []).append((name, slot))

    indices = sorted(uses)
    pictures = iter(reader.pictures(indices))
    for index in indices:
        # No for-loop over zip(): it would hold the previous picture while the next is decoded.
        picture = next(pictures, None)
        if picture is None:
            raise ValueError(f"the reader stopped before frame {index}")
        for name, slot in uses[index]:
            slots[name][slot] = views[name].render(picture, slot, draw)
        del picture
    return {name: _finished(name, view, slots[name]) for name, view in views.items()}


def _finished(name: str, view: View, slots: list[torch.Tensor | None]) -> torch.Tensor:
    tensor = view.finish([slot for slot in slots if slot is not None])
    if tuple(tensor.shape) != tuple(view.shape) or tensor.dtype != torch.uint8:
        raise ValueError(
            f"view '{name}' ({type(view).__name__}) promised uint8 {tuple(view.shape)}"
            f" and made {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
        )
    return tensor
