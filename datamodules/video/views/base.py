"""What a view is: which frames it needs, how a frame becomes pixels, and which shape it promises."""

from abc import ABC, abstractmethod

import torch

from datamodules.video.draw import Draw
from datamodules.video.parameters import Parameterised
from datamodules.video.picture import Picture
from datamodules.video.timeline import Timeline
from records.hashing import value_hash


class View(Parameterised, ABC):
    """One named uint8 tensor of a video, made of slots that each come from one frame.

    A view keeps no state between videos, so one object serves all workers. Every random number comes from the draw.

    Attributes:
        dtype: Type of the tensor; another one only where it is stored rather than rendered.
    """

    dtype: torch.dtype = torch.uint8

    @abstractmethod
    def frames(self, timeline: Timeline, draw: Draw) -> list[int]:
        """The frame index of every slot; indices may repeat and come in any order.

        Args:
            timeline: The video's timeline, at least one frame.
            draw: The sample's random draws.
        """

    def look(self, timeline: Timeline, draw: Draw) -> int | None:
        """Index of a frame that :meth:`seen` must be given before any slot is rendered; None where nothing must."""
        return None

    def seen(self, picture: Picture, draw: Draw) -> "View":
        """The view that renders this one video, after the frame that :meth:`look` asked for."""
        return self

    @abstractmethod
    def render(self, picture: Picture, slot: int, draw: Draw) -> torch.Tensor:
        """Make the pixels of one slot.

        Args:
            picture: The decoded frame of this slot.
            slot: Position in the list that ``frames`` gave.
            draw: The same draws that ``frames`` got.

        Returns:
            uint8 tensor of (3, height, width), RGB, that owns its memory: a slice of the picture would keep the
            whole frame alive until the sample is complete.
        """

    def finish(self, slots: list[torch.Tensor]) -> torch.Tensor:
        """Join all slots, in slot order, into the view's tensor."""
        return torch.stack(slots)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Promised shape of the finished tensor, without the batch axis; the same for every video."""

    @property
    def sampler_hash(self) -> str:
        """Hash of the sampler of the frames that the view's parts stand for; empty where a view has none.

        Clips that begin at key frames stand for these, so that they can be laid beside views of the key frames alone.
        """
        sampler = getattr(self, "sampler", None)
        keys = getattr(sampler, "keys", sampler)
        return value_hash(keys.signature()) if isinstance(keys, Parameterised) else ""
