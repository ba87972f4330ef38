"""Pictures of a comparison: scores with their intervals, and score against cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.comparison.table import Comparison, Row
from experiments.comparison.texts import NAMES
from records.files import atomic_path

# Dark on light and light on dark both.
INK, BASE, OTHER = "#404040", "#b3541e", "#1f5fa8"


def draw(found: Comparison, folder: Path) -> list[Path]:
    """Write ``scores`` and, where costs differ, ``cost`` as PNG and SVG; nothing where matplotlib is not there.

    Returns:
        The SVG files.
    """
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        return []
    import matplotlib

    matplotlib.use("Agg")
    # Text stays text, and the same comparison gives the same bytes.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "sugc-lab", "font.size": 11}):
        rows = [row for row in found.rows if row.score]
        figures = {"scores": _scores(found, rows)}
        if len({row.gmacs for row in rows if row.gmacs is not None}) > 1:
            figures["cost"] = _cost(found, rows)
        return [_saved(figure, folder / f"{name}.svg") for name, figure in figures.items()]


def _scores(found: Comparison, rows: Sequence[Row]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 1.4 + 0.45 * len(rows)))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        assert row.score
        colour = BASE if row.name == found.baseline else OTHER
        reach, dashes = (row.score.interval, "-") if row.score.interval else (row.reach, ":")
        if reach:
            axes.plot(reach, [place, place], color=colour, linestyle=dashes, linewidth=2, zorder=1)
        single = [run.score(found.split) for run in row.runs]
        axes.plot([value for value in single if value is not None], [place] * sum(v is not None for v in single), "|",
                  color=colour, markersize=11, alpha=0.6)  # fmt: skip
        axes.plot([row.score.mean], [place], "o", color=colour, zorder=2)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.invert_yaxis()
    axes.margins(y=0.25)
    axes.set_xlabel(f"{NAMES.get(found.judged_by, found.judged_by)} on {found.split}")
    _note(axes, "dot: mean; ticks: seeds; line: 95 % over seeds, dotted: over contents of a single seed")
    _plain(axes)
    return figure


def _cost(found: Comparison, rows: Sequence[Row]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5))
    axes = figure.subplots()
    scores = [row.score.mean for row in rows if row.score]
    near = (max(scores) - min(scores)) / 12
    placed: list[tuple[float, float]] = []
    for row in rows:
        if row.gmacs is None or row.score is None:
            continue
        colour = BASE if row.name == found.baseline else OTHER
        axes.plot([row.gmacs], [row.score.mean], "o", color=colour)
        if row.score.interval:
            axes.plot([row.gmacs] * 2, row.score.interval, color=colour, linewidth=1.5)
        name = row.name.rpartition("/")[2] if len({each.runs[0].experiment for each in rows}) == 1 else row.name
        # Names of points that lie on each other stand below each other.
        count = sum(abs(x / row.gmacs - 1) < 0.1 and abs(y - row.score.mean) < near for x, y in placed)
        placed.append((row.gmacs, row.score.mean))
        place = (6, 4 - 12 * count)
        axes.annotate(name, (row.gmacs, row.score.mean), xytext=place, textcoords="offset points", fontsize=9)
    costs = [row.gmacs for row in rows if row.gmacs]
    if max(costs) > 20 * min(costs):
        axes.set_xscale("log")
    axes.margins(x=0.15, y=0.15)
    axes.set_xlabel("GMACs a video")
    axes.set_ylabel(f"{NAMES.get(found.judged_by, found.judged_by)} on {found.split}")
    _plain(axes)
    return figure


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", color="#8884", linewidth=0.6)
    axes.set_axisbelow(True)


def _note(axes: Any, text: str) -> None:
    axes.set_title(text, fontsize=8.5, color=INK, loc="left", pad=8)


def _saved(figure: Any, path: Path) -> Path:
    for file in (path, path.with_suffix(".png")):
        kind = file.suffix[1:]
        metadata = {"Date": None} if kind == "svg" else None
        with atomic_path(file) as temporary:
            figure.savefig(temporary, format=kind, dpi=130, bbox_inches="tight", metadata=metadata)
    return path
