"""Crops at native resolution from all over the frame."""

import math

import torch

from datamodules.video.draw import Draw
from datamodules.video.parameters import check_at_least
from datamodules.video.picture import Picture
from datamodules.video.samplers import FrameSampler
from datamodules.video.timeline import Timeline
from datamodules.video.views.base import View
from datamodules.video.views.resize import covering, resized


class LocalCrops(View):
    """Square crops spread over both axes of the frame: uint8 (slots, 3, size, size).

    The places that a crop can have are cut into rows and columns of equal parts, as near to square as ``crops`` divides
    (four: two by two; five: a line along the longer side), and each crop stands in its own part. Evaluation takes the
    middle of it, training a random place in it, drawn once per video, so that a crop shows one place over time. A frame
    smaller than the crop grows to fit, aspect ratio kept.

    Args:
        sampler: Chooses the frames.
        size: Height and width of a crop, pixels.
        crops: Number of places.
        in_turn: False cuts every place from every frame, ``count * crops`` slots, frame by frame. True gives each frame
            one place, the first to the first frame and so on round, ``count`` slots: four frames then show four
            quarters at a quarter of the cost.
        flip: Mirror half of the videos in training.
    """

    def __init__(
        self, sampler: FrameSampler, size: int = 384, crops: int = 4, in_turn: bool = False, flip: bool = True
    ) -> None:
        check_at_least(1, size=size, crops=crops)
        self.sampler, self.size, self.crops, self.in_turn, self.flip = sampler, size, crops, in_turn, flip

    @property
    def shape(self) -> tuple[int, ...]:
        """(slots, 3, size, size)."""
        return (self.sampler.count * self._per_frame, 3, self.size, self.size)

    def frames(self, timeline: Timeline, draw: Draw) -> list[int]:
        """Every frame of the sampler, once for each of its slots."""
        return [index for index in self.sampler.indices(timeline, draw) for _ in range(self._per_frame)]

    def render(self, picture: Picture, slot: int, draw: Draw) -> torch.Tensor:
        """Crop and mirror one frame; uint8 (3, size, size)."""
        size, height, width = self.size, picture.height, picture.width
        if min(height, width) < size:
            height, width = covering(height, width, size, size)
        down, right = self._place(slot % self.crops, height, width, draw)
        top, left = int(down * (height - size + 1)), int(right * (width - size + 1))
        image = resized(picture.rgb(), height, width)[:, top : top + size, left : left + size]
        if self.flip and draw.train and draw.uniform("flip")[0] < 0.5:
            return image.flip(-1)
        return image.clone(memory_format=torch.contiguous_format)

    def _place(self, crop: int, height: int, width: int, draw: Draw) -> tuple[float, float]:
        """Where the corner of one crop stands, as shares of the room that there is."""
        wanted = math.sqrt(self.crops * height / width)
        divisors = [rows for rows in range(1, self.crops + 1) if self.crops % rows == 0]
        rows = min(divisors, key=lambda rows: max(rows / wanted, wanted / rows))
        columns = self.crops // rows
        row, column = divmod(crop, columns)
        down, right = draw.uniform(f"local crop {crop}", 2)
        return (row + down) / rows, (column + right) / columns

    @property
    def _per_frame(self) -> int:
        return 1 if self.in_turn else self.crops
