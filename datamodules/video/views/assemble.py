"""All views of a video from one pass over its frames."""

from collections.abc import Mapping
from pathlib import Path

import torch

from datamodules.video.draw import Draw
from datamodules.video.picture import Picture
from datamodules.video.reader import BackendName, VideoReader
from datamodules.video.views.base import View
from datamodules.video.views.stored import StoredView

# Frames that a view holds back until its look, 3 MB each at 1080p, 9 where another view has made RGB of it. Where they
# would be more, that one frame is decoded beforehand, which takes up to half a decode again.
_HELD = 4


def read_views(
    path: str | Path,
    views: Mapping[str, View],
    draw: Draw,
    *,
    backend: BackendName = "pyav",
) -> dict[str, torch.Tensor]:
    """Read every view of a video file with one decode of the union of the frames they need.

    Stored views are read last, and where there are no others the file is not opened at all.

    Args:
        path: Video file.
        views: Views by name.
        draw: Random draws of this sample.
        backend: Decoder.

    Returns:
        Tensors by the names of ``views``, each of its view's promised shape and type.

    Raises:
        UnreadableVideo: The file gives no frames, or a store has nothing of it.
        UserError: The backend is not installed, or a store is not what a view expects.
        ValueError: A view breaks its promise.
    """
    rendered = {name: view for name, view in views.items() if not isinstance(view, StoredView)}
    tensors = {}
    if rendered:
        with VideoReader(path, backend=backend) as reader:
            tensors = render_views(reader, rendered, draw)
    for name, view in views.items():
        if isinstance(view, StoredView):
            tensors[name] = _kept(name, view, view.read(draw.id))
    return tensors


def render_views(reader: VideoReader, views: Mapping[str, View], draw: Draw) -> dict[str, torch.Tensor]:
    """Read every view from an open reader; see :func:`read_views`.

    Frames are taken in presentation order, and each is released before the next one is decoded, so that memory holds
    one full frame whatever the number of slots; of a view that must look at a later frame first, up to four more.
    """
    renderings = {name: _Rendering(name, view, reader, draw) for name, view in views.items()}
    indices = sorted(set().union(*(rendering.frames for rendering in renderings.values())))
    pictures = iter(reader.pictures(indices))
    for index in indices:
        # No for-loop over zip(): it would hold the previous picture while the next is decoded.
        picture = next(pictures, None)
        if picture is None:
            raise ValueError(f"the reader stopped before frame {index}")
        for rendering in renderings.values():
            rendering.take(index, picture)
        del picture
    return {name: rendering.finished() for name, rendering in renderings.items()}


class _Rendering:
    """One view of one video while the frames come in."""

    def __init__(self, name: str, view: View, reader: VideoReader, draw: Draw) -> None:
        self.name, self.promise, self.view, self.draw = name, view, view, draw
        self.who = _told(name, view)
        self.wanted = view.frames(reader.timeline, draw)
        if not self.wanted:
            raise ValueError(f"{self.who} asks for no frame")
        for index in self.wanted:
            if not 0 <= index < len(reader.timeline):
                raise ValueError(f"{self.who} asks for frame {index} of a video of {len(reader.timeline)} frames")
        self.slots: list[torch.Tensor | None] = [None] * len(self.wanted)
        self.held: list[tuple[Picture, int]] = []
        self.look = view.look(reader.timeline, draw)
        if self.look is not None and sum(index < self.look for index in set(self.wanted)) > _HELD:
            self._see(next(iter(reader.pictures([self.look]))))

    @property
    def frames(self) -> set[int]:
        """Frames that must come in."""
        return {*self.wanted} if self.look is None else {*self.wanted, self.look}

    def take(self, index: int, picture: Picture) -> None:
        """Render the slots of one frame, or hold it back until the look."""
        if index == self.look:
            self._see(picture)
        for slot, wanted in enumerate(self.wanted):
            if wanted == index:
                self.held.append((picture, slot))
        while self.held and self.look is None:
            earlier, slot = self.held.pop()
            self.slots[slot] = self.view.render(earlier, slot, self.draw)

    def finished(self) -> torch.Tensor:
        """The tensor, if it is what the view promised."""
        return _kept(self.name, self.promise, self.view.finish([slot for slot in self.slots if slot is not None]))

    def _see(self, picture: Picture) -> None:
        self.view, self.look = self.view.seen(picture, self.draw), None


def _kept(name: str, view: View, tensor: torch.Tensor) -> torch.Tensor:
    """The tensor of a view, if it is what the view promised."""
    promised, made = (view.dtype, tuple(view.shape)), (tensor.dtype, tuple(tensor.shape))
    if promised != made:
        ours, theirs = (f"{str(kind).removeprefix('torch.')} {shape}" for kind, shape in (promised, made))
        raise ValueError(f"{_told(name, view)} promised {ours} and made {theirs}")
    return tensor


def _told(name: str, view: View) -> str:
    return f"view '{name}' ({type(view).__name__})"
