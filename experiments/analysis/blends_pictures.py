"""Pictures of the blends' curve with the fusion beside it, and of one image of every system."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.analysis.blends_curve import FINE, Axis, Pictures
from experiments.analysis.report import Picture, drawn
from experiments.comparison.figures import BASE, INK, OTHER
from experiments.score_kwaisr.folders import read
from metrics.sr.front import between
from records.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Side of a crop, pixels of the picture.
SIDE = 128


def curves(
    grid: Sequence[float],
    pairs: Sequence[tuple[Axis, Axis]],
    blends: Sequence[Pictures],
    fusions: Sequence[Pictures],
) -> Picture:
    """One panel a pair of figures; towards the lower right is better."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(pairs), 4.2), layout="constrained")
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    matrix = between(grid, np.linspace(grid[0], grid[-1], FINE).tolist())
    for panel, (first, second) in zip(panels, pairs, strict=True):
        nodes = np.array([[each.mean(axis) for axis in (first, second)] for each in blends])
        panel.plot(*(matrix @ nodes).T, color=OTHER, linewidth=1.5, label="blends")
        panel.plot(*nodes.T, "o", color=OTHER, markersize=5)
        for share, place in zip(grid, nodes, strict=True):
            panel.annotate(f"{share:g}", place, xytext=(6, 5), textcoords="offset points", fontsize=8, color=INK)
        points = np.array([[each.mean(axis) for axis in (first, second)] for each in fusions])
        panel.plot(*points.T, "x", color=BASE, markersize=6, alpha=0.6)
        panel.plot(*points.mean(axis=0), "D", color=BASE, markersize=6, label="fusion; x: its runs")
        panel.set_xlabel(f"{first.title} {first.arrow}")
        panel.set_ylabel(f"{second.title} {second.arrow}")
        # Better lies to the right and below, whatever the figure.
        if first.sign > 0:
            panel.invert_xaxis()
        if second.sign < 0:
            panel.invert_yaxis()
        panel.margins(0.12)
        panel.grid(color="#8884", linewidth=0.6)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    panels[0].legend(frameon=False, fontsize=9)
    return drawn(
        figure, "curve", "Blends by the share of the perceptual candidate, and the fusion; lower right is better"
    )


def crops(grid: Sequence[float], blends: Sequence[Pictures], fusions: Sequence[Pictures], asked: str | None) -> Picture:
    """The part of one synthetic image in which the candidates differ most, of every blend, the fusion and the truth.

    Raises:
        UserError: No synthetic image is called so.
    """
    from matplotlib.figure import Figure

    place = _most_different(blends[0], blends[-1], asked)
    shown = [(f"blend, {share:g}", each.items[place].file) for share, each in zip(grid, blends, strict=True)]
    shown += [("fusion", fusions[0].items[place].file)]
    truth = blends[0].items[place].truth
    pictures = [(name, read(file)) for name, file in [*shown, *([("original", truth)] if truth else [])]]
    top, left, height, width = _busiest(read(blends[0].items[place].file), read(blends[-1].items[place].file))
    columns = (len(pictures) + 1) // 2
    figure = Figure(figsize=(2.6 * columns, 5.6), layout="constrained")
    panels: Any = figure.subplots(2, columns, squeeze=False)
    for panel in panels.flat:
        panel.axis("off")
    for panel, (name, picture) in zip(panels.flat, pictures, strict=False):
        panel.imshow(picture[top : top + height, left : left + width], interpolation="nearest")
        panel.set_title(name, fontsize=9)
    id = blends[0].items[place].id
    return drawn(
        figure, "crops", f"{id}, {height}x{width} pixels where the candidates differ most; fusion of the first run"
    )


def _most_different(faithful: Pictures, perceptual: Pictures, asked: str | None) -> int:
    synthetic = [place for place, item in enumerate(faithful.items) if item.domain == "synthetic"]
    if asked is not None:
        named = [place for place in synthetic if asked in (faithful.items[place].id, faithful.items[place].stem)]
        if not named:
            mend = f"give one of {', '.join(faithful.items[place].stem for place in synthetic[:10])}"
            raise UserError(f"no synthetic image is called {asked}", where="--image", mend=mend)
        return named[0]
    gaps = [float(_gap(faithful.items[place].file, perceptual.items[place].file).mean()) for place in synthetic]
    return synthetic[int(np.argmax(gaps))]


def _gap(first: Any, second: Any) -> "NDArray[np.float64]":
    return np.abs(read(first).astype(float) - read(second).astype(float)).mean(axis=2)


def _busiest(first: "NDArray[np.uint8]", second: "NDArray[np.uint8]") -> tuple[int, int, int, int]:
    """Top, left, height and width of the window in which two pictures differ most."""
    gap = np.abs(first.astype(float) - second.astype(float)).mean(axis=2)
    height, width = min(SIDE, gap.shape[0]), min(SIDE, gap.shape[1])
    total = np.pad(gap, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(top), int(left), height, width
