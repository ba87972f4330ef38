"""Score table and restored images of a run, for its W&B dashboard."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import lightning as L
import numpy as np
import torch

from callbacks.dashboard import DashboardMedia, Medium, panel, table
from records.images import to_picture, write_image

# Side of the middle part of an image that is shown, pixels.
SIDE = 320
PARTS = ("input", "restored", "truth")


class WandbImages(DashboardMedia):
    """Show which images came out badly, and what the first ones look like: put in, restored, and true.

    Args:
        max_rows: Most rows in the score table; the worst images are kept.
    """

    def __init__(self, max_rows: int = 2000) -> None:
        super().__init__()
        self.max_rows = max_rows

    def media(self, trainer: L.Trainer, pl_module: L.LightningModule, split: str, folder: Path) -> Iterator[Medium]:
        """Score table, and the images side by side in a table and as a panel."""
        judged_by = str(pl_module.monitor).partition("/")[2]
        sign = -1 if pl_module.mode == "min" else 1
        rows = list(pl_module.score_rows(split))  # type: ignore[operator]
        # What has no truth has no score and stands last.
        rows.sort(key=lambda row: sign * row.values.get(judged_by, sign * math.inf))
        figures = sorted({name for row in rows for name in row.values})
        scores = {row.id: [row.values.get(name) for name in figures] for row in rows}
        if rows:
            cells = [[row.id, row.content, row.domain, *scores[row.id]] for row in rows[: self.max_rows]]
            yield table("image_scores", ["id", "content", "domain", *figures], cells)
        compared, shown = [], []
        for place, (id, parts) in enumerate(pl_module.shown):  # type: ignore[arg-type]
            pictures = middles(parts)
            files = [folder / f"{place}-{name}.png" for name in PARTS[: len(parts)]]
            for file, picture in zip(files, pictures, strict=True):
                write_image(file, picture)
            whole = folder / f"{place}.png"
            write_image(whole, np.concatenate(pictures, axis=1))
            absent = [None] * (len(PARTS) - len(files))  # a wild image has no truth
            compared.append([id, *files, *absent, *scores.get(id, [None] * len(figures))])
            shown.append((whole, id))
        if shown:
            yield table("images", ["id", *PARTS, *figures], compared)
            yield panel("restored", shown)


def middles(parts: Sequence[torch.Tensor], side: int = SIDE) -> list[np.ndarray]:
    """The middle of what was put in, enlarged pixel by pixel, of what came out, and of the truth.

    Args:
        parts: (3, h, w) each in [0, 1]; the first may be smaller than the others.
        side: Largest height and width of one part, pixels.

    Returns:
        uint8 (height, width, 3) each.
    """
    height, width = parts[-1].shape[-2:]
    cut = (min(side, height), min(side, width))
    top, left = (height - cut[0]) // 2, (width - cut[1]) // 2
    shown = []
    for part in parts:
        whole = torch.nn.functional.interpolate(part[None], size=(height, width), mode="nearest")[0]
        shown.append(to_picture(whole[:, top : top + cut[0], left : left + cut[1]]))
    return shown
