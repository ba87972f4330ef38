"""Scores that are missing or far off."""

from collections.abc import Iterator, Sequence
from statistics import median

from experiments.data_report.finding import Finding
from experiments.data_report.inventory import Item

# Distance from the median in robust standard deviations (1.4826 times the median absolute deviation).
FAR = 5.0


def score_findings(items: Sequence[Item]) -> Iterator[Finding]:
    """Missing scores: an error in training data, a remark where a whole other split is sealed. Outliers."""
    splits: dict[str, list[Item]] = {}
    for item in items:
        if item.listed:
            splits.setdefault(item.label.split or "", []).append(item)
    for split, members in splits.items():
        scores = [item.label.score for item in members if item.label.score is not None]
        empty = [item.label.id for item in members if item.label.score is None]
        if not scores and split not in ("", "train"):
            yield Finding("unscored", split, f"none of the {len(empty)} files of this split has a score")
        else:
            for id in empty:
                yield Finding("bad label", id, f"no score, unlike {len(scores)} other files of {split or 'the table'}")
        yield from _outliers(members, scores)


def _outliers(members: Sequence[Item], scores: Sequence[float]) -> Iterator[Finding]:
    if len(scores) < 3:
        return
    middle = median(scores)
    deviation = 1.4826 * median(abs(score - middle) for score in scores)
    for item in members:
        score = item.label.score
        if score is not None and deviation and abs(score - middle) > FAR * deviation:
            far = abs(score - middle) / deviation
            yield Finding(
                "outlier",
                item.label.id,
                f"score {score:g} lies {far:.1f} robust standard deviations from the median {middle:g}",
            )
