"""Patches of whole frames at native resolution, a few from all over each frame."""

import numpy as np
import torch

from datamodules.video.draw import Draw
from datamodules.video.parameters import check_at_least
from datamodules.video.picture import Picture
from datamodules.video.samplers import FrameSampler
from datamodules.video.timeline import Timeline
from datamodules.video.views.base import View
from datamodules.video.views.resize import covering, resized


class NativePatches(View):
    """Square patches on a regular grid of places: uint8 (frames * count, 3, patch, patch), frame by frame.

    The places stand ``stride`` pixels apart, in reading order, and ``count`` of them are taken at equal distances from
    the first to the last, in training and in evaluation alike. A frame with fewer places gives some of them again, and
    one that is smaller than a patch grows until its shorter side fits, aspect ratio kept.

    LIQE is 224, stride 32 and 15. Its code takes every n-th place with n rounded down, so that up to 14 places at the
    end are never seen and fewer than 15 places give the first one 15 times.

    Args:
        sampler: Chooses the frames.
        patch: Height and width of a patch, pixels.
        stride: Distance of neighbouring places, pixels.
        count: Patches of a frame.
    """

    def __init__(self, sampler: FrameSampler, patch: int = 224, stride: int = 32, count: int = 15) -> None:
        check_at_least(1, patch=patch, stride=stride, count=count)
        self.sampler, self.patch, self.stride, self.count = sampler, patch, stride, count

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames * count, 3, patch, patch)."""
        return (self.sampler.count * self.count, 3, self.patch, self.patch)

    def frames(self, timeline: Timeline, draw: Draw) -> list[int]:
        """The frames of the sampler."""
        return self.sampler.indices(timeline, draw)

    def render(self, picture: Picture, slot: int, draw: Draw) -> torch.Tensor:
        """Cut the patches of one frame; uint8 (count, 3, patch, patch)."""
        height, width, patch = picture.height, picture.width, self.patch
        if min(height, width) < patch:
            height, width = covering(height, width, patch, patch)
        image = resized(picture.rgb(), height, width)
        rows, columns = ((side - patch) // self.stride + 1 for side in (height, width))
        chosen = np.linspace(0, rows * columns - 1, self.count).round().astype(int)
        corners = zip(chosen // columns * self.stride, chosen % columns * self.stride, strict=True)
        return torch.stack([image[:, top : top + patch, left : left + patch] for top, left in corners])

    def finish(self, slots: list[torch.Tensor]) -> torch.Tensor:
        """Join the patches of all frames."""
        return torch.cat(slots)
