"""Quality networks on more videos, or more frames, than memory holds: in smaller passes after it ran out."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from models.memory import give_back, is_out_of_memory


class Passes:
    """Runs a network in evaluation; after memory ran out, on half as many videos, then frames or clips, in one pass.

    What fitted is kept for the videos that follow. Scores do not depend on it beyond rounding, since evaluation looks
    at every video and every frame of a trunk for itself. A warning tells of every step.

    Args:
        network: Module that holds networks with ``branches``; those branches have a ``chunk``.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        # What happened, oldest first.
        self.notes: list[str] = []
        self._videos: int | None = None

    def __call__(self, function: Callable[[dict[str, Tensor]], Any], views: dict[str, Tensor]) -> Any:
        """Apply a function to a batch of videos.

        Args:
            function: Views of some videos to a tensor (videos, ...), or a tuple of such.
            views: Name to (batch, ...); at least one video.

        Returns:
            What the function returns for the whole batch.

        Raises:
            MemoryError: One video does not fit, a frame or clip at a time.
        """
        count = len(next(iter(views.values())))
        while True:
            videos = min(self._videos or count, count)
            try:
                parts = [
                    function({name: view[start : start + videos] for name, view in views.items()})
                    for start in range(0, count, videos)
                ]
                if len(parts) == 1:
                    return parts[0]
                if isinstance(parts[0], tuple):
                    return tuple(torch.cat(each) for each in zip(*parts, strict=True))
                return torch.cat(parts)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._shrink(videos, views)

    def _shrink(self, videos: int, views: dict[str, Tensor]) -> None:
        give_back()
        if videos > 1:
            self._videos = videos // 2
            self._note(f"out of memory: videos in one pass from {videos} to {videos // 2}")
            return
        halved = False
        for part in self.network.modules():
            branches = getattr(part, "branches", None)
            branch: Any
            for name, branch in branches.items() if isinstance(branches, nn.ModuleDict) else ():
                if name not in views or not hasattr(branch, "chunk"):
                    continue
                pieces = branch.pieces(views[name].shape[1])
                now = min(branch.chunk or pieces, pieces)
                if now > 1:
                    branch.chunk, halved = now // 2, True
                    self._note(f"out of memory: frames or clips of {name} in one pass from {now} to {now // 2}")
        if not halved:
            raise MemoryError("out of memory with one video, a frame or clip at a time")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            warnings.warn(text, stacklevel=4)
