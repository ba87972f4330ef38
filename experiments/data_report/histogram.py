"""A histogram as inline SVG."""

from collections.abc import Sequence

WIDTH, HEIGHT, BASE, LEFT = 640, 180, 150, 40


def histogram(edges: Sequence[float], counts: Sequence[int], unit: str) -> str:
    """Bars with a title each, the ends and the middle of the axis, and the highest count.

    Args:
        edges: Borders of the bars, ascending, one more than ``counts``.
        counts: How many values lie between two borders.
        unit: What the axis shows; must be safe as HTML.
    """
    top = max(counts, default=0) or 1
    step = (WIDTH - LEFT - 10) / len(counts)
    bars = []
    for place, count in enumerate(counts):
        tall = (BASE - 20) * count / top
        bars.append(
            f'<rect x="{LEFT + place * step + 1:.1f}" y="{BASE - tall:.1f}" width="{step - 2:.1f}" height="{tall:.1f}">'
            f"<title>{edges[place]:.4g} to {edges[place + 1]:.4g}: {count}</title></rect>"
        )
    marks = [(0, "start"), (len(counts) // 2, "middle"), (len(counts), "end")]
    ticks = [
        f'<text x="{LEFT + place * step:.1f}" y="{BASE + 16}" text-anchor="{anchor}">{edges[place]:.4g}</text>'
        for place, anchor in marks
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="histogram of {unit}">{"".join(bars)}'
        f'<line x1="{LEFT}" y1="{BASE}" x2="{WIDTH - 10}" y2="{BASE}"/>'
        f'<text x="{LEFT - 6}" y="26" text-anchor="end">{top}</text>'
        f'<text x="{LEFT - 6}" y="{BASE}" text-anchor="end">0</text>{"".join(ticks)}'
        f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 2}" text-anchor="middle">{unit}</text></svg>'
    )
