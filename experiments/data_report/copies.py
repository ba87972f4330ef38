"""Files that are there more than once: the same content, the same bytes, or nearly the same picture."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.data_report.finding import Finding, listed
from experiments.data_report.inventory import Item
from experiments.data_report.scan import Scan
from experiments.data_report.similar import alike


def copy_findings(items: Sequence[Item], scans: dict[str, Scan]) -> Iterator[Finding]:
    """Leaks between splits, and copies within one.

    Versions of one content look alike by design: only files of different contents are compared by picture.
    """
    yield from _shared_contents(items)
    there = [item for item in items if item.label.id in scans]
    yield from _same_bytes(there, scans)
    yield from _same_picture(there, [scans[item.label.id] for item in there])


def _shared_contents(items: Sequence[Item]) -> Iterator[Finding]:
    contents: dict[str, dict[str, list[str]]] = {}
    for item in items:
        if item.label.split and item.listed:
            contents.setdefault(item.label.content, {}).setdefault(item.label.split, []).append(item.label.id)
    for content, splits in contents.items():
        if len(splits) > 1:
            told = "; ".join(f"{split}: {listed(ids, 2)}" for split, ids in splits.items())
            yield Finding("leak", next(iter(splits.values()))[0], f"content {content} stands in two splits: {told}")


def _same_bytes(items: Sequence[Item], scans: dict[str, Scan]) -> Iterator[Finding]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        scan = scans[item.label.id]
        if scan.digest and scan.size_bytes:
            groups.setdefault(scan.digest, []).append(item)
    for members in groups.values():
        if len(members) > 1:
            yield _copy(members, "the same bytes as", "duplicate")


def _same_picture(items: Sequence[Item], scans: Sequence[Scan]) -> Iterator[Finding]:
    """One finding for each cluster of look-alikes; those that reach across splits come first."""
    contents = _numbered([item.label.content for item in items])
    splits = _numbered([item.label.split or "" for item in items])
    unsplit = np.array([item.label.split is None for item in items], bool)
    digests = _numbered([scan.digest or item.label.id for item, scan in zip(items, scans, strict=True)])
    across, within = np.arange(len(items)), np.arange(len(items))
    for first, second in alike([scan.prints for scan in scans]):
        new = (contents[first] != contents[second]) & (digests[first] != digests[second])
        first, second = first[new], second[new]
        leaks = (splits[first] != splits[second]) & ~unsplit[first] & ~unsplit[second]
        across = _joined(across, first[leaks], second[leaks])
        within = _joined(within, first[~leaks], second[~leaks])
    for clusters in (across, within):
        members: dict[int, list[Item]] = {}
        for place, cluster in enumerate(clusters.tolist()):
            members.setdefault(cluster, []).append(items[place])
        for alikes in members.values():
            if len(alikes) > 1:
                leak = clusters is across
                yield _copy(alikes, "nearly the same picture as", "look-alike", leak)


def _copy(members: Sequence[Item], what: str, kind: str, leak: bool | None = None) -> Finding:
    """A leak where the members stand in several splits, else a remark."""
    splits = {item.label.split for item in members if item.label.split}
    leak = len(splits) > 1 if leak is None else leak
    first, *others = members
    names = listed([item.label.id for item in others])
    where = f" (in {' and '.join(sorted(splits))})" if leak else ""
    scores = sorted({item.label.score for item in members if item.label.score is not None})
    told = f"; scores from {scores[0]:g} to {scores[-1]:g}" if len(scores) > 1 else ""
    return Finding("leak" if leak else kind, first.label.id, f"{what} {names}{where}{told}")  # type: ignore[arg-type]


def _numbered(names: Sequence[str]) -> np.ndarray:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)


def _joined(clusters: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cluster of each position after the pairs have joined theirs."""
    if not len(first):
        return clusters
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(first), bool), (clusters[first], clusters[second])), shape=(len(clusters),) * 2)
    _, joined = connected_components(edges, directed=False)
    return joined[clusters]
