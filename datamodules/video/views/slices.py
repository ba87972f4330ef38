"""The parts of a frame that carry most structure, at native resolution (ZQE)."""

import copy

import numpy as np
import torch

from datamodules.video.draw import Draw
from datamodules.video.parameters import check_at_least
from datamodules.video.picture import Picture
from datamodules.video.reader import VideoReader
from datamodules.video.samplers import FrameSampler
from datamodules.video.timeline import Timeline
from datamodules.video.views.base import View
from datamodules.video.views.density import MEASURES, Measure, Slicing, choose, grid, grown, luma, tile_densities
from datamodules.video.views.overlay import overlay
from datamodules.video.views.resize import resized


class DensitySlices(View):
    """Tiles of texture: uint8 (count * tiles, 3, size, size), frame by frame, in reading order within a frame.

    Of a grid of tiles over the frame those with enough fine structure are kept, and ``tiles`` of them are cut. They are
    chosen on the middle key frame, for all frames of the video, so that a tile shows one place over time. The choice
    knows no randomness: training and evaluation see the same tiles.

    Args:
        sampler: Chooses the frames.
        tiles: Tiles cut from each frame.
        size: Height and width of a tile, and the step of the grid, pixels. A frame that is too small for so many tiles
            grows, aspect ratio kept.
        threshold: Least density of a tile that is kept, 0..1; with ``density`` the share of its pixels that must carry
            fine structure. Where fewer than ``tiles`` are kept the densest of the others fill up.
        measure: ``density``: share of pixels whose |Laplacian| exceeds ten grey levels. ``relative``: mean |Laplacian|
            as a share of the frame's strongest tile. ``variance``: share of the frame's tiles whose Laplacian varies
            less.
        denoise_sigma: Blur before the Laplacian, pixels: higher ignores more of the sensor's noise; 0 blurs nothing.
        border_margin: Share of height and of width at each edge from which nothing is cut, 0 to below 0.5.
        row_cap: Most tiles from one row of the grid, against rows of subtitles; null for no limit.
        per_frame: Choose anew on every frame.
        flip: Mirror half of the videos in training.
    """

    def __init__(
        self,
        sampler: FrameSampler,
        tiles: int = 4,
        size: int = 224,
        threshold: float = 0.2,
        measure: Measure = "density",
        denoise_sigma: float = 0.8,
        border_margin: float = 0.0,
        row_cap: int | None = None,
        per_frame: bool = False,
        flip: bool = True,
    ) -> None:
        check_at_least(1, tiles=tiles, size=size, row_cap=1 if row_cap is None else row_cap)
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must be a density in [0, 1], not {threshold}")
        if measure not in MEASURES:
            raise ValueError(f"measure must be one of {', '.join(MEASURES)}, not {measure}")
        if not 0 <= denoise_sigma < 100:
            raise ValueError(f"denoise_sigma must be a number of pixels in [0, 100), not {denoise_sigma}")
        if not 0 <= border_margin < 0.5:
            raise ValueError(f"border_margin must be a share in [0, 0.5), not {border_margin}")
        self.sampler, self.tiles, self.size = sampler, tiles, size
        self.threshold, self.measure, self.denoise_sigma = threshold, measure, denoise_sigma
        self.border_margin, self.row_cap, self.per_frame, self.flip = border_margin, row_cap, per_frame, flip
        self._slicing: Slicing | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(count * tiles, 3, size, size)."""
        return (self.sampler.count * self.tiles, 3, self.size, self.size)

    def frames(self, timeline: Timeline, draw: Draw) -> list[int]:
        """The frames of the sampler."""
        return self.sampler.indices(timeline, draw)

    def look(self, timeline: Timeline, draw: Draw) -> int | None:
        """The middle key frame, on which the tiles are chosen; none where each frame has its own."""
        return None if self.per_frame else self.middle(timeline, draw)

    def middle(self, timeline: Timeline, draw: Draw) -> int:
        """The middle key frame; the earlier one of two."""
        indices = sorted(self.frames(timeline, draw))
        return indices[(len(indices) - 1) // 2]

    def seen(self, picture: Picture, draw: Draw) -> "DensitySlices":
        """This view with the tiles of one frame."""
        # A copy for each video, not a memory in the view: one view serves all workers, and videos in any order.
        chosen = copy.copy(self)
        chosen._slicing = self.slicing(picture.rgb())
        return chosen

    def render(self, picture: Picture, slot: int, draw: Draw) -> torch.Tensor:
        """Cut the tiles of one frame; uint8 (tiles, 3, size, size)."""
        slicing = self._slicing or self.slicing(picture.rgb())
        image = resized(picture.rgb(), slicing.height, slicing.width)
        tiles = [
            image[:, top:bottom, left:right] for top, left, bottom, right in slicing.boxes[slicing.chosen].tolist()
        ]
        joined = torch.stack(tiles)
        return joined.flip(-1) if self.flip and draw.train and draw.uniform("flip")[0] < 0.5 else joined

    def finish(self, slots: list[torch.Tensor]) -> torch.Tensor:
        """Join the tiles of all frames."""
        return torch.cat(slots)

    def slicing(self, rgb: np.ndarray) -> Slicing:
        """Measure and choose the tiles of a frame.

        Args:
            rgb: uint8 (H, W, 3).
        """
        height, width = grown(rgb.shape[0], rgb.shape[1], self.size, self.tiles, self.border_margin)
        boxes = grid(height, width, self.size, self.border_margin)
        shown = resized(rgb, height, width).permute(1, 2, 0).numpy()
        densities = tile_densities(luma(shown), boxes, self.measure, self.denoise_sigma)
        chosen = choose(boxes, densities, self.tiles, self.threshold, self.row_cap)
        return Slicing(height, width, boxes, densities, densities >= self.threshold, chosen)

    def overlay(self, reader: VideoReader, draw: Draw) -> tuple[np.ndarray, Slicing]:
        """Show what this view does with a video.

        Args:
            reader: The video.
            draw: The sample's random draws.

        Returns:
            A picture of the middle key frame with grid, densities and chosen tiles, uint8 (height, width, 3), and the
            tiles themselves.
        """
        rgb = next(iter(reader.pictures([self.middle(reader.timeline, draw)]))).rgb()
        slicing = self.slicing(rgb)
        shown = resized(rgb, slicing.height, slicing.width).permute(1, 2, 0).numpy()
        return overlay(shown, slicing.boxes, slicing.densities, slicing.chosen), slicing
