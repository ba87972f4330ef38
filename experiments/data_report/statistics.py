"""What a data set looks like: formats, sizes, lengths, scores."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean, median, pstdev
from typing import Any

import numpy as np

from experiments.data_report.inventory import Item
from experiments.data_report.scan import Scan

BINS = 20
# Facts that are counted and facts that are lengths, with their titles in the order of showing.
COUNTS = {"codec": "codec", "pix_fmt": "pixel format", "size": "size", "orientation": "orientation", "fps": "fps"}
LENGTHS = {"duration": "duration, s", "frames": "frames"}


def statistics_of(items: Sequence[Item], scans: Iterable[Scan]) -> dict[str, Any]:
    """Plain values for JSON.

    Returns:
        ``readable, bytes``; counts by ``codec, pix_fmt, size, orientation, fps``; ``duration`` and ``frames`` as
        minimum, median, maximum and total; ``scores`` by split with a histogram on common edges.
    """
    scans = list(scans)
    good = [scan for scan in scans if not scan.error]
    return {
        "readable": len(good),
        "bytes": sum(scan.size_bytes for scan in scans),
        "codec": counts(scan.codec for scan in good),
        "pix_fmt": counts(scan.pix_fmt for scan in good),
        "size": counts(f"{scan.width}x{scan.height}" for scan in good),
        "orientation": counts(orientation(scan) for scan in good),
        "fps": counts(f"{scan.fps:.4g}" for scan in good),
        "duration": _spread([scan.duration for scan in good]),
        "frames": _spread([scan.frames for scan in good]),
        "scores": _scores(items),
    }


def orientation(scan: Scan) -> str:
    """``square``, ``portrait`` or ``landscape``."""
    if scan.height == scan.width:
        return "square"
    return "portrait" if scan.height > scan.width else "landscape"


def counts(values: Iterable[str]) -> dict[str, int]:
    """Values with how often each occurs, the most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0])))


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    kinds = {"min": min(values), "median": median(values), "max": max(values), "total": sum(values)}
    return {name: round(value, 3) for name, value in kinds.items()}


def _scores(items: Sequence[Item]) -> dict[str, Any]:
    splits: dict[str, list[float]] = {}
    for item in items:
        if item.label.score is not None:
            splits.setdefault(item.label.split or "all", []).append(item.label.score)
    if not splits:
        return {}
    edges = np.histogram_bin_edges([score for scores in splits.values() for score in scores], BINS)
    return {
        split: {
            "n": len(scores),
            "mean": round(fmean(scores), 4),
            "sd": round(pstdev(scores), 4),
            "min": min(scores),
            "max": max(scores),
            "edges": [round(float(edge), 6) for edge in edges],
            "counts": np.histogram(scores, edges)[0].tolist(),
        }
        for split, scores in splits.items()
    }
