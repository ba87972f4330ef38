"""Views that were computed beforehand: they are read by id, and no frame is decoded for them."""

from abc import abstractmethod
from collections.abc import Iterable

import torch

from datamodules.video.draw import Draw
from datamodules.video.picture import Picture
from datamodules.video.timeline import Timeline
from datamodules.video.views.base import View
from records.lineage import Input


class StoredView(View):
    """One named tensor of a video out of a store; see :class:`View` for what is common to all views."""

    @abstractmethod
    def read(self, id: str) -> torch.Tensor:
        """Tensor of one video.

        Args:
            id: The video's id.

        Returns:
            Tensor of the promised shape and type.

        Raises:
            UnreadableVideo: The store could hold this video and does not.
            UserError: The store is not what this view expects, or knows nothing of the video; names it.
        """

    @property
    def stand_ins(self) -> list[str]:
        """Names of what is stored that only has the right shape, and means nothing."""
        return []

    def inputs(self) -> list[Input]:
        """What the tensors come from."""
        return []

    @abstractmethod
    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those of ``ids`` that the store has nothing of."""

    def frames(self, timeline: Timeline, draw: Draw) -> list[int]:
        """None are needed."""
        return []

    def render(self, picture: Picture, slot: int, draw: Draw) -> torch.Tensor:
        """No slot has a frame, so nothing is ever rendered."""
        raise TypeError(f"{type(self).__name__} is read, not rendered")
