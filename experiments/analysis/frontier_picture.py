"""Picture of a cost frontier: score against GMACs on a logarithmic axis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.analysis.report import Picture, drawn
from experiments.comparison.figures import BASE, INK

if TYPE_CHECKING:
    from experiments.analysis.frontier_designs import Design
    from experiments.analysis.frontier_judge import Judged

MARKERS = "osD^vP*Xh<>"


def picture(
    designs: Sequence["Design"],
    judged: Sequence["Judged"],
    best: Sequence[int],
    limits: Sequence[float],
    recipes: Sequence[tuple[str, float]],
) -> Picture:
    """Designs of one view joined by a line, the front, the limits, and recipes at the foot, which have no score here.

    Args:
        designs: By cost.
        judged: What each reached.
        best: Places of those on the front.
        limits: GMACs.
        recipes: Name and GMACs.
    """
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes = figure.subplots()
    colours = matplotlib.colormaps["tab10"]
    for place, view in enumerate(sorted({design.view for design in designs})):
        inside = [at for at, design in enumerate(designs) if design.view == view]
        costs, scores = [designs[at].gmacs for at in inside], [judged[at].score.mean for at in inside]
        colour, marker = colours(place % 10), MARKERS[place % len(MARKERS)]
        axes.plot(costs, scores, color=colour, marker=marker, linewidth=1, markersize=6, label=view, zorder=3)
        for at in inside:
            if reach := judged[at].interval:
                axes.plot([designs[at].gmacs] * 2, reach, color=colour, alpha=0.25, linewidth=2, zorder=1)
            axes.annotate(str(designs[at].frames), (designs[at].gmacs, judged[at].score.mean), xytext=(4, 5),
                          textcoords="offset points", fontsize=8, color=colour)  # fmt: skip
    steps = [(designs[at].gmacs, judged[at].score.mean) for at in best]
    right = max([*limits, *(cost for _, cost in recipes), *(cost for cost, _ in steps)]) * 1.15
    axes.step(*zip(*steps, strict=True), where="post", color=INK, linestyle="--", linewidth=1.2, label="best so far",
              zorder=2)  # fmt: skip
    axes.set_xscale("log")
    low, high = axes.get_ylim()
    foot = low - (0.45 if recipes else 0) * (high - low)
    axes.set_ylim(foot, high)
    axes.set_xlim(right=right)
    for limit in limits:
        axes.axvline(limit, color=BASE, linewidth=0.9, alpha=0.6, zorder=0)
        axes.annotate(f"{limit:g}", (limit, high), xytext=(2, -10), textcoords="offset points", fontsize=9, color=BASE)
    shown = 0.0
    for name, cost in sorted(recipes, key=lambda each: each[1]):
        axes.plot([cost], [foot], marker="|", color=INK, markersize=12, clip_on=False)
        # Names of neighbours would lie on each other.
        shown = max(cost, shown * 1.16)
        axes.annotate(name, (shown, foot), xytext=(0, 10), textcoords="offset points", rotation=90, fontsize=8,
                      color=INK, ha="center", va="bottom")  # fmt: skip
    axes.set_xlabel("GMACs a video, from frames to score")
    axes.set_ylabel("(SROCC + PLCC) / 2, out of fold")
    axes.grid(color="#8884", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="lower left", ncols=2)
    caption = (
        "Score against cost. Numbers at points: frames; bars: 95 % over contents; vertical lines: limits in GMACs; at "
        "the foot published recipes, which are counted and not trained"
    )
    return drawn(figure, "frontier", caption)
