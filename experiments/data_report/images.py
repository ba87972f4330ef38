"""The report on a set of images: broken files, lone and crooked pairs, copies, and how like the wild the pairs are."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datamodules.image.layout import Kind, Layout
from experiments.data_report.copies import copy_findings
from experiments.data_report.domains import compared
from experiments.data_report.file_findings import file_findings
from experiments.data_report.finding import Finding, printable
from experiments.data_report.image_scan import ImageScan, image_died, scan_image
from experiments.data_report.inventory import Item
from experiments.data_report.processes import each
from experiments.data_report.scan import Scan
from experiments.data_report.statistics import COUNTS, LENGTHS, counts, orientation
from records.images import find_images
from records.labels import SPLITS, Label

KINDS: tuple[Kind, ...] = ("lr", "hr", "wild")
# Files by (split, kind) and name: the path below the folder, without suffix.
Names = dict[tuple[str, str], dict[str, Path]]


def is_image_set(root: Path) -> bool:
    """Whether folders of the root are laid out for super-resolution."""
    return any(folder.is_dir() for split in SPLITS for folder in (root / split / "synthetic", root / split / "wild"))


def images_report(root: Path, layout: Layout | None = None, jobs: int = 1) -> dict[str, Any]:
    """Look at every image below the folders of the splits.

    Args:
        root: Data root.
        layout: Where pairs and wild images are; None: the usual folders.
        jobs: Processes.

    Returns:
        ``root, medium, files, labels, findings, statistics`` as the report on videos has them, with the table
        ``statistics.comparison`` of :func:`~experiments.data_report.domains.compared`.
    """
    layout = layout or Layout()
    names: Names = {}
    contents: dict[Path, str] = {}
    findings = [*_sorted_in(root, layout, names, contents)]
    items, measured = _items(root, layout, names, contents)
    scans = _scanned(items, measured, jobs)
    as_files: dict[str, Scan] = {**scans}
    findings += [
        *file_findings(items, as_files, False),
        *_pair_findings(root, names, scans),
        *copy_findings(items, as_files),
    ]
    statistics = [[scans[id].statistics for id in ids if scans[id].statistics] for ids in measured.values()]
    return {
        "root": printable(str(root)),
        "medium": "image",
        "files": len(items),
        "labels": 0,
        "findings": [
            {"kind": found.kind, "grade": found.grade, "id": printable(found.id), "detail": printable(found.detail)}
            for found in findings
        ],
        "statistics": {**_facts(list(scans.values())), "comparison": compared(*statistics)},
    }


def _sorted_in(root: Path, layout: Layout, names: Names, contents: dict[Path, str]) -> Iterator[Finding]:
    """Fill ``names`` and ``contents``, what each file shows; find files of one folder that differ in suffix only."""
    endings = {"lr": layout.lr_ending, "hr": layout.hr_ending, "wild": ""}
    for split in SPLITS:
        for kind in KINDS:
            folder, ending = layout.folder(root, kind, split), endings[kind]
            of = names.setdefault((split, kind), {})
            for path in find_images(folder):
                name = path.relative_to(folder).with_suffix("").as_posix()
                if name.endswith(ending):
                    name = name.removesuffix(ending)
                    contents[path] = f"{split}/{'wild' if kind == 'wild' else 'pair'}/{name}"
                    first = of.setdefault(name, path)
                    if first != path:
                        yield Finding("duplicate id", _id(root, path), f"has the name of {first.name}")


def _items(
    root: Path, layout: Layout, names: Names, contents: dict[Path, str]
) -> tuple[list[Item], dict[str, list[str]]]:
    """All images of the splits, and the ids of those whose statistics are compared."""
    items = []
    for split in SPLITS:
        for path in find_images(root / layout.splits.get(split, split)):
            id = _id(root, path)
            items.append(Item(Label(id, None, contents.get(path, id), split), path, True))
    measured = {
        domain: [_id(root, path) for split in SPLITS for path in names[split, kind].values()]
        for domain, kind in (("synthetic", "lr"), ("wild", "wild"))
    }
    return items, measured


def _scanned(items: list[Item], measured: dict[str, list[str]], jobs: int) -> dict[str, ImageScan]:
    from rich.console import Console
    from rich.progress import track

    wanted = {id for ids in measured.values() for id in ids}
    tasks = [(item.label.id, item.path, item.label.id in wanted) for item in items]
    found = each(scan_image, tasks, max(1, min(jobs, len(tasks))), image_died)
    bar = track(found, "checking", len(tasks), console=Console(file=sys.stderr), transient=True)
    scans = {scan.id: scan for scan in bar}
    return {item.label.id: scans[item.label.id] for item in items}


def _pair_findings(root: Path, names: Names, scans: dict[str, ImageScan]) -> Iterator[Finding]:
    """Images of pairs that stand alone or whose sides are not one scale apart."""
    pairs = []
    for split in SPLITS:
        lr, hr = names[split, "lr"], names[split, "hr"]
        if lr and hr:  # a split may have one kind only
            for there, others, lacking in ((lr, hr, "HR"), (hr, lr, "LR")):
                lone = sorted(there.keys() - others.keys())
                yield from (Finding("unpaired", _id(root, there[name]), f"no {lacking} of its name") for name in lone)
            pairs += [
                (scans[_id(root, lr[name])], scans[_id(root, hr[name])]) for name in sorted(lr.keys() & hr.keys())
            ]
    readable = [(low, high) for low, high in pairs if not low.error and not high.error]
    ratios = Counter(high.height // low.height for low, high in readable)
    scale = ratios.most_common(1)[0][0] if ratios else 0
    for low, high in readable:
        if (high.height, high.width) != (scale * low.height, scale * low.width):
            sides = f"{high.height}x{high.width} is not {scale} times {low.height}x{low.width}, as in most pairs"
            yield Finding("wrong ratio", low.id, f"HR of {sides}")


def _facts(scans: list[ImageScan]) -> dict[str, Any]:
    """Statistics with the keys of a set of videos, those that images lack empty."""
    good = [scan for scan in scans if not scan.error]
    return {
        **{name: {} for name in COUNTS},
        **dict.fromkeys(LENGTHS),
        "scores": {},
        "readable": len(good),
        "bytes": sum(scan.size_bytes for scan in scans),
        "size": counts(f"{scan.width}x{scan.height}" for scan in good),
        "orientation": counts(orientation(scan) for scan in good),
    }


def _id(root: Path, path: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")
