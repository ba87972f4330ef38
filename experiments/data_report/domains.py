"""Are the synthetic pictures degraded like the wild ones? Medians, and how far their distributions lie apart."""

from collections.abc import Sequence
from statistics import median
from typing import Any

TITLES = {
    "sharpness": "variance of the Laplacian",
    "noise": "noise, levels",
    "blockiness": "steps on the 8-pixel grid over others",
    "high_frequency": "energy above a quarter cycle per pixel",
    "colourfulness": "colourfulness",
    "brightness": "brightness, levels",
    "height": "height, pixels",
    "width": "width, pixels",
}


def compared(synthetic: Sequence[dict[str, float]], wild: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Statistics of two sets side by side.

    Args:
        synthetic: Statistics of each low-resolution picture of the pairs.
        wild: Statistics of each wild picture.

    Returns:
        ``synthetic, wild``: numbers of pictures; ``chance``: the distance that equal distributions exceed once in
        twenty times; ``rows``: by statistic the medians ``synthetic`` and ``wild`` and the Kolmogorov-Smirnov distance
        ``ks``, 0 to 1, of the distributions. Empty where a set is.
    """
    if not synthetic or not wild:
        return {}
    from scipy.stats import ks_2samp

    rows = {}
    for name in TITLES:
        values = [[one[name] for one in of] for of in (synthetic, wild)]
        medians = [round(median(of), 4) for of in values]
        rows[name] = {"synthetic": medians[0], "wild": medians[1], "ks": round(float(ks_2samp(*values).statistic), 3)}
    # The asymptotic bound of Smirnov; small sets hardly ever exceed it.
    chance = min(1.0, 1.358 * ((len(synthetic) + len(wild)) / (len(synthetic) * len(wild))) ** 0.5)
    return {"synthetic": len(synthetic), "wild": len(wild), "chance": round(chance, 3), "rows": rows}


def show_comparison(comparison: dict[str, Any]) -> None:
    """Print the table of :func:`compared`, with a mark where the distance is more than chance."""
    from rich.console import Console
    from rich.table import Table

    title = f"{comparison['synthetic']} synthetic LR against {comparison['wild']} wild images"
    table = Table("statistic", "synthetic", "wild", "KS distance", title=title, title_justify="left")
    for name, row in comparison["rows"].items():
        mark = " *" if row["ks"] > comparison["chance"] else ""
        table.add_row(TITLES[name], f"{row['synthetic']:.4g}", f"{row['wild']:.4g}", f"{row['ks']:.2f}{mark}")
    Console().print(table)
    print(f"* more than {comparison['chance']:.2f}, which equal distributions exceed once in twenty times")
