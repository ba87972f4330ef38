"""Pictures of agreement: how often each metric is right, and whether stated chances are kept."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.analysis.agreement_pairs import Held, Pairs
from experiments.analysis.report import Picture, drawn
from experiments.comparison.figures import BASE, INK, OTHER
from metrics.calibration import reliability

if TYPE_CHECKING:
    from experiments.analysis.agreement_report import Question


def accuracies(asked: "Question", rows: Sequence[Sequence[Any]]) -> Picture:
    """Share of pairs that each metric tells as the rater does, with its interval; hollow where that is circular."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 1.2 + 0.34 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, (name, _, tie, value, low, high, *_) in enumerate(rows):
        tied = tie not in ("", "no")
        colour = INK if not name or name.startswith("other") else BASE if tied else OTHER
        if low is not None:
            axes.plot([low, high], [place, place], color=colour, linewidth=1.5)
        axes.plot([value], [place], "o", color=colour, markerfacecolor="white" if tied else colour, zorder=3)
    axes.axvline(0.5, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel(f"share of pairs told as {asked.who} preferred; dotted: chance")
    if any(row[2] not in ("", "no") for row in rows):
        axes.set_title("hollow: circular, or measured from the same originals", fontsize=9, color=INK, loc="left")
    _plain(axes)
    return drawn(figure, "accuracy", f"Pairs told right, against {asked.who}, with 95 % intervals over photographs")


def reliabilities(asked: "Question", pairs: Pairs, held: Mapping[str, Held]) -> Picture:
    """Stated chance of the likelier against how often it was preferred, of the fusion and the best single metric."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0.5, 1], [0.5, 1], color=INK, linewidth=0.8, linestyle=":")
    shown = [(name, each) for name, each in held.items() if name.startswith(("fusion", "best")) and "," not in name]
    for (name, each), colour in zip(shown, (BASE, OTHER), strict=False):
        bins = [row for row in reliability(each.chance, pairs.won[each.place]) if row.n]
        axes.plot([row.said for row in bins], [row.held for row in bins], color=colour, label=name)
        sizes = 160 * np.array([row.n for row in bins]) / max(row.n for row in bins)
        axes.scatter([row.said for row in bins], [row.held for row in bins], s=sizes, color=colour, alpha=0.6)
    axes.set_xlabel("chance given to the likelier, left-out systems")
    axes.set_ylabel(f"share preferred by {asked.who}")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    _plain(axes)
    return drawn(figure, "calibration", f"Calibration on left-out systems, against {asked.who}; larger: more votes")


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(color="#8884", linewidth=0.6)
    axes.set_axisbelow(True)
