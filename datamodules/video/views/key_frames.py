"""Whole frames, resized or cropped at native resolution."""

from typing import Literal

import torch

from datamodules.video.draw import Draw
from datamodules.video.parameters import check_at_least
from datamodules.video.picture import Picture
from datamodules.video.samplers import FrameSampler
from datamodules.video.timeline import Timeline
from datamodules.video.views.base import View
from datamodules.video.views.resize import covering, resized


class KeyFrames(View):
    """Square crops of chosen frames: uint8 (count * crops, 3, size, size).

    Place and mirroring are drawn once per video, so all its frames are cut alike: a crop per frame would move the
    content between frames that a network compares.

    Args:
        sampler: Chooses the frames.
        size: Height and width to make, pixels.
        resize: ``short`` resizes the short side to ``size`` (bicubic, antialias), then crops. ``stretch`` resizes both
            sides to ``size`` and drops nothing. ``none`` crops at native resolution, which keeps the compression
            artefacts that a resize averages away; frames smaller than the crop grow to fit, aspect ratio kept.
        crops: Crops per frame, spread along the longer side; the slots are frame by frame. Evaluation takes the middle
            of each of ``crops`` equal ranges of places (one crop: the centre), training a random place in it.
        flip: Mirror half of the videos in training.
    """

    def __init__(
        self,
        sampler: FrameSampler,
        size: int,
        resize: Literal["short", "stretch", "none"] = "short",
        crops: int = 1,
        flip: bool = True,
    ) -> None:
        check_at_least(1, size=size, crops=crops)
        if resize == "stretch" and crops != 1:
            raise ValueError(f"crops must be 1 with resize 'stretch', which leaves nothing to crop, not {crops}")
        self.sampler, self.size, self.resize, self.crops, self.flip = sampler, size, resize, crops, flip

    @property
    def shape(self) -> tuple[int, ...]:
        """(count * crops, 3, size, size)."""
        return (self.sampler.count * self.crops, 3, self.size, self.size)

    def frames(self, timeline: Timeline, draw: Draw) -> list[int]:
        """Every frame of the sampler, once for each crop."""
        return [index for index in self.sampler.indices(timeline, draw) for _ in range(self.crops)]

    def render(self, picture: Picture, slot: int, draw: Draw) -> torch.Tensor:
        """Resize, crop and mirror one frame; uint8 (3, size, size)."""
        size = self.size
        height, width = picture.height, picture.width
        if self.resize == "stretch":
            height = width = size
        elif self.resize == "short" or min(height, width) < size:
            height, width = covering(height, width, size, size)
        image = resized(picture.rgb(), height, width)
        top, left = self._place(height, width, slot % self.crops, draw)
        image = image[:, top : top + size, left : left + size]
        if self.flip and draw.train and draw.uniform("flip")[0] < 0.5:
            return image.flip(-1)
        return image.clone(memory_format=torch.contiguous_format)

    def _place(self, height: int, width: int, crop: int, draw: Draw) -> tuple[int, int]:
        """Top left corner of one crop."""
        along, across = draw.uniform(f"crop {crop}", 2)
        spread = (crop + along) / self.crops
        down, right = (spread, across) if height >= width else (across, spread)
        return _position(down, height - self.size), _position(right, width - self.size)


def _position(fraction: float, room: int) -> int:
    """A place in 0..room inclusive, each equally likely for a uniform fraction in [0, 1); 0.5 is the centre."""
    return int(fraction * (room + 1))
