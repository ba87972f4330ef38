"""What the scan of each file gives reason to tell."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from experiments.data_report.finding import Finding
from experiments.data_report.inventory import Item
from experiments.data_report.scan import Scan


def file_findings(items: Sequence[Item], scans: dict[str, Scan], labelled: bool) -> Iterator[Finding]:
    """Missing, unlisted, unreadable, truncated and damaged files.

    Args:
        items: The files of the set.
        scans: Facts of those that exist, by id.
        labelled: The set has label files, so that files can be unlisted.
    """
    unlisted = {_loose(item.label.id): item.label.id for item in items if not item.listed}
    for item in items:
        id = item.label.id
        scan = scans.get(id)
        if scan is None:
            near = unlisted.get(_loose(id))
            yield Finding("missing", id, f"no such file; there is {near}" if near else "no such file")
            continue
        if labelled and not item.listed:
            yield Finding("unlisted", id, "no label file lists it")
        if scan.error:
            yield Finding("unreadable", id, scan.error)
            continue
        if scan.truncated:
            yield Finding("truncated", id, f"ends early: {scan.frames} frames can be told{_damage(scan)}")
        elif scan.lost or scan.skipped or scan.corrupt:
            yield Finding("damaged", id, f"{scan.frames} frames{_damage(scan)}")


def _damage(scan: Scan) -> str:
    counts = {
        "damaged packets": scan.skipped,
        "frames wanted that cannot be had": scan.lost,
        "frames with damage": scan.corrupt,
    }
    return "".join(f"; {name}: {count}" for name, count in counts.items() if count)


def _loose(id: str) -> str:
    """What slips in names leave alike: letter case and suffix."""
    return PurePosixPath(id).with_suffix("").as_posix().casefold()
