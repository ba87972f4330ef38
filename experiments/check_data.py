"""Report on a data set before anyone trains on it: broken files, leaks between splits, wrong labels, statistics.

The label files are found as training finds them; a folder without any is checked as a bare set of videos. A root with
`train/synthetic` or `train/wild` (or those of `val` or `test`) is a set of images: pairs are matched, and synthetic
pictures compared with wild ones. Exit code 1 says that there are errors, 0 that there are none or only notes.
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from records.errors import UserError, not_written
from records.files import write_json, write_text

if TYPE_CHECKING:
    from experiments.data_report.inventory import Inventory
    from experiments.data_report.scan import Scan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("root", type=Path, help="data root: the folder that ids are relative to")
    parser.add_argument("--labels", metavar="FILE", type=Path, help="one CSV or list file, for sets of another layout")
    parser.add_argument("--full", action="store_true", help="decode every frame; finds damage in the middle of files")
    parser.add_argument("--html", metavar="OUT", type=Path, help="also write the report as one HTML page")
    parser.add_argument("--json", metavar="OUT", type=Path, help="also write the report as JSON")
    parser.add_argument("--jobs", metavar="N", type=int, help="processes (default: one for each processor)")


def run(args: argparse.Namespace) -> int:
    """Check, show, and return 1 when there are errors."""
    if args.jobs is not None and args.jobs < 1:
        raise UserError("must be at least 1", where=f"--jobs {args.jobs}", mend="leave it out for one each processor")
    from experiments.data_report.domains import show_comparison
    from experiments.data_report.images import images_report, is_image_set
    from experiments.data_report.inventory import take_inventory
    from experiments.data_report.terminal import show

    jobs = args.jobs or _processors()
    astray = False
    if args.labels is None and is_image_set(args.root):
        report = images_report(args.root, jobs=jobs)
    else:
        inventory = take_inventory(args.root, args.labels)
        scans = scan_all(inventory, args.full, jobs)
        report = report_of(args.root, inventory, scans)
        astray = bool(inventory.tables) and not any(item.listed for item in inventory.items if item.label.id in scans)
    show(report)
    if comparison := report["statistics"].get("comparison"):
        show_comparison(comparison)
    for path, write in ((args.html, _write_page), (args.json, write_json)):
        if path is not None:
            try:
                write(path, report)
            except OSError as error:
                raise not_written(path, error) from None
    errors = sum(finding["grade"] == "error" for finding in report["findings"])
    notes = len(report["findings"]) - errors
    if astray:
        print(f"none of the listed files is there: are their names relative to {report['root']}?")
    medium, labels = report.get("medium", "video"), report["labels"]
    print(f"{report['files']} {medium} files, {labels} labels: {errors} errors, {notes} notes")
    return 1 if errors else 0


def scan_all(inventory: "Inventory", full: bool, jobs: int) -> "dict[str, Scan]":
    """Facts of every file that exists, by id.

    Args:
        inventory: The data set.
        full: Decode every frame.
        jobs: Processes.
    """
    from rich.console import Console
    from rich.progress import track

    from experiments.data_report.processes import each
    from experiments.data_report.scan import scan

    paths = {item.label.id: item.path for item in inventory.items if item.path.is_file()}
    sizes = {id: path.stat().st_size for id, path in paths.items()}
    sharing = Counter(sizes.values())
    # Only files of the same size can be of the same bytes.
    tasks = [(id, path, sharing[sizes[id]] > 1, full) for id, path in paths.items()]
    found = each(scan, tasks, max(1, min(jobs, len(tasks))), _died)
    bar = track(found, "checking", len(tasks), console=Console(file=sys.stderr), transient=True)
    scans = {scan.id: scan for scan in bar}
    return {id: scans[id] for id in paths}


def report_of(root: Path, inventory: "Inventory", scans: "dict[str, Scan]") -> dict[str, Any]:
    """The report: ``root, files, labels, findings, statistics``, every text printable."""
    from experiments.data_report.copies import copy_findings
    from experiments.data_report.file_findings import file_findings
    from experiments.data_report.finding import printable
    from experiments.data_report.score_findings import score_findings
    from experiments.data_report.statistics import statistics_of

    items = inventory.items
    findings = [
        *inventory.findings,
        *file_findings(items, scans, bool(inventory.tables)),
        *score_findings(items),
        *copy_findings(items, scans),
    ]
    return {
        "root": printable(str(root)),
        "files": len(scans),
        "labels": sum(item.listed for item in items),
        "findings": [
            {"kind": found.kind, "grade": found.grade, "id": printable(found.id), "detail": printable(found.detail)}
            for found in findings
        ],
        "statistics": statistics_of(items, scans.values()),
    }


def _write_page(path: Path, report: dict[str, Any]) -> None:
    from experiments.data_report.page import page

    write_text(path, page(report))


def _died(id: str, *_: Any) -> "Scan":
    from experiments.data_report.scan import Scan

    return Scan(id, error="the decoder ended the process that read it")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
