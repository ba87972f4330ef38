"""Fragments: a mosaic of small native-resolution patches from all over the frame (FAST-VQA)."""

import math
from typing import Literal

import numpy as np
import torch

from datamodules.video.draw import Draw
from datamodules.video.parameters import check_at_least
from datamodules.video.picture import Picture
from datamodules.video.samplers import FrameSampler
from datamodules.video.timeline import Timeline
from datamodules.video.views.base import View
from datamodules.video.views.resize import covering, resized


class Fragments(View):
    """Grid mini-patch sampling: uint8 (count, 3, rows * patch, columns * patch).

    The frame is cut into rows x columns cells, and each cell gives one patch of its own pixels, pasted in reading
    order. Training draws the place within each cell, once for ``aligned`` consecutive slots; evaluation takes the
    middle of the cell, so repeated runs agree bit for bit. A frame that is too small for the grid grows, aspect ratio
    kept, until the tighter axis fits exactly; the cells are those of the grown frame, so all of it is seen.

    FAST-VQA is 7 x 7 x 32 on 32 frames, E-VQA 12 x 12 x 32 on 4, KSVQE 9 x 9 with ``aligned`` 8.

    Args:
        sampler: Chooses the frames.
        rows: Cells from top to bottom.
        columns: Cells from left to right.
        patch: Height and width of a patch, pixels.
        aligned: Number of consecutive slots whose patches stand at the same places, so that motion within a patch stays
            visible.
        aspect: ``square`` lays the same rows x columns over every frame, so the cells of a portrait frame are tall.
            ``keep`` cuts each frame into as many cells, as close to square as possible (a 1080x1920 portrait frame
            and 49 cells: nine rows of five or six); the mosaic has the same size and reading order.
    """

    def __init__(
        self,
        sampler: FrameSampler,
        rows: int = 7,
        columns: int = 7,
        patch: int = 32,
        aligned: int = 32,
        aspect: Literal["square", "keep"] = "square",
    ) -> None:
        check_at_least(1, rows=rows, columns=columns, patch=patch, aligned=aligned)
        self.sampler, self.rows, self.columns, self.patch = sampler, rows, columns, patch
        self.aligned, self.aspect = aligned, aspect

    @property
    def shape(self) -> tuple[int, ...]:
        """(count, 3, rows * patch, columns * patch)."""
        return (self.sampler.count, 3, self.rows * self.patch, self.columns * self.patch)

    def frames(self, timeline: Timeline, draw: Draw) -> list[int]:
        """The frames of the sampler."""
        return self.sampler.indices(timeline, draw)

    def render(self, picture: Picture, slot: int, draw: Draw) -> torch.Tensor:
        """Gather the patches of one frame; uint8 (3, rows * patch, columns * patch)."""
        layout = self._layout(picture.height, picture.width)
        least = len(layout) * self.patch, max(layout) * self.patch
        rgb = picture.rgb()
        if picture.height < least[0] or picture.width < least[1]:
            grown = covering(picture.height, picture.width, *least)
            rgb = resized(rgb, *grown).permute(1, 2, 0).numpy()
        fractions = np.array(draw.uniform(f"fragments {slot // self.aligned}", 2 * self.rows * self.columns))
        top, left = places(rgb.shape[0], rgb.shape[1], layout, self.patch, fractions.reshape(2, -1), draw.train)
        return self._mosaic(gathered(rgb, top, left, self.patch))

    def _layout(self, height: int, width: int) -> list[int]:
        """Number of cells in each row of the frame."""
        cells = self.rows * self.columns
        if self.aspect == "square":
            return [self.columns] * self.rows
        rows = min(cells, max(1, round(math.sqrt(cells * height / width))))
        return [(row + 1) * cells // rows - row * cells // rows for row in range(rows)]

    def _mosaic(self, patches: np.ndarray) -> torch.Tensor:
        grid = patches.reshape(self.rows, self.columns, self.patch, self.patch * 3).transpose(0, 2, 1, 3)
        return torch.from_numpy(grid.reshape(self.rows * self.patch, self.columns * self.patch, 3)).permute(2, 0, 1)


def places(
    height: int, width: int, layout: list[int], patch: int, fractions: np.ndarray, train: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Top and left pixel of the patch of every cell, cells in reading order.

    Args:
        height: Frame height, at least ``len(layout) * patch``.
        width: Frame width, at least ``max(layout) * patch``.
        layout: Number of cells in each row.
        patch: Patch size, pixels.
        fractions: float (2, cells) in [0, 1): where in its cell each patch stands, in training.
        train: False puts every patch in the middle of its cell.

    Returns:
        Two int arrays of (cells,). A cell is ``floor(height / rows)`` high, and a training offset lies in
        ``[0, cell - patch)`` as in FAST-VQA.
    """
    row = np.repeat(np.arange(len(layout)), layout)
    column = np.concatenate([np.arange(count) for count in layout])
    cell_height = np.full(len(row), height // len(layout))
    cell_width = width // np.repeat(layout, layout)
    spare = np.stack([cell_height, cell_width]) - patch
    offset = (fractions * np.maximum(spare, 1)).astype(int) if train else spare // 2
    return row * cell_height + offset[0], column * cell_width + offset[1]


def gathered(rgb: np.ndarray, top: np.ndarray, left: np.ndarray, patch: int) -> np.ndarray:
    """Copy square windows out of a frame.

    Args:
        rgb: uint8 (H, W, 3).
        top: int (n,), first row of each window.
        left: int (n,), first column.
        patch: Window size, pixels.

    Returns:
        uint8 (n, patch, patch, 3).
    """
    if rgb.strides[1:] != (3, 1):
        rgb = np.ascontiguousarray(rgb)
    height, width, _ = rgb.shape
    # One fancy index over all possible windows, each patch rows of patch * 3 bytes: 14 us for 49 windows, where an
    # index per pixel takes 600 and a separate channel axis 84.
    windows = np.lib.stride_tricks.as_strided(
        rgb,
        shape=(height - patch + 1, width - patch + 1, patch, patch * 3),
        strides=(rgb.strides[0], 3, rgb.strides[0], 1),
        writeable=False,
    )
    return windows[top, left].reshape(-1, patch, patch, 3)
