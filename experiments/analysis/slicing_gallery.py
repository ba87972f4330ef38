"""Pictures of clips with the tiles that each threshold cuts, small enough to stand in a report."""

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.analysis.report import Picture
from experiments.analysis.slicing_judge import Judged
from experiments.analysis.slicing_views import Cutter

if TYPE_CHECKING:
    from PIL.Image import Image

# Of one picture: longest side, pixels, and the bytes above which it is made smaller.
SIDE, BYTES = 1400, 150_000
QUALITY, GAP, TITLE = 82, 12, 26


def gallery(found: Judged, places: Iterable[int], cutters: Sequence[Cutter]) -> list[Picture]:
    """A picture of each clip: its middle key frame once for each choice of tiles, titled with the thresholds.

    Args:
        found: The clips.
        places: Which of them to show.
        cutters: One a threshold.
    """
    return [
        Picture(f"clip-{number}", caption(found, place), jpeg(_sheet(found, place, cutters)), "jpg")
        for number, place in enumerate(places, 1)
    ]


def caption(found: Judged, place: int) -> str:
    """Label, and at each threshold prediction and kept share, of a clip."""
    told = [
        f"{threshold:g}: {found.said[at, place]:.2f} ({found.kept[at, place]:.0%} kept)"
        for at, threshold in enumerate(found.thresholds)
    ]
    densest = found.slicings[place][0].densities.max()
    return (
        f"{found.ids[place]} ({found.contents[place]}), label {found.labels[place]:.2f}, densest tile {densest:.2f}; "
        f"predicted at {'; '.join(told)}"
    )


def jpeg(image: "Image") -> bytes:
    """A picture as JPEG of at most ``BYTES``."""
    image.thumbnail((SIDE, SIDE))
    while True:
        data = io.BytesIO()
        image.save(data, "JPEG", quality=QUALITY)
        if data.tell() <= BYTES:
            return data.getvalue()
        image = image.resize((int(image.width * 0.8), int(image.height * 0.8)))


def _sheet(found: Judged, place: int, cutters: Sequence[Cutter]) -> "Image":
    """One panel for each choice of tiles, side by side."""
    from PIL import Image, ImageDraw, ImageFont

    from datamodules.video.draw import Draw
    from datamodules.video.reader import VideoReader

    same: dict[tuple[int, ...], list[int]] = {}
    for at, slicing in enumerate(found.slicings[place]):
        same.setdefault(tuple(slicing.chosen.tolist()), []).append(at)
    id, panels = found.ids[place], []
    for places in same.values():
        with VideoReader(cutters[0].root / id, cutters[0].reader) as reader:
            panels.append(cutters[places[0]].view.overlay(reader, Draw(id=id))[0])
    sheet = Image.new("RGB", (_width(panels), max(len(each) for each in panels) + TITLE), "white")
    canvas, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(size=TITLE - 10), 0
    for panel, places in zip(panels, same.values(), strict=True):
        thresholds = ", ".join(f"{found.thresholds[each]:g}" for each in places)
        canvas.text((left, 2), f"threshold {thresholds}", fill="black", font=font)
        sheet.paste(Image.fromarray(panel), (left, TITLE))
        left += panel.shape[1] + GAP
    return sheet


def _width(panels: Sequence["np.ndarray[Any, Any]"]) -> int:
    return sum(each.shape[1] for each in panels) + GAP * (len(panels) - 1)
