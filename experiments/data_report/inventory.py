"""What a data set consists of, by its label files and by what lies in its folders."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from datamodules.tables import LABELS_OF_A_SPLIT, LABELS_OF_ALL, read_pair_tables
from datamodules.video_files import find_videos
from experiments.data_report.finding import Finding
from experiments.data_report.label_files import kvq_content, read_label_file
from records.errors import UserError
from records.labels import SPLITS, Label


@dataclass(frozen=True)
class Item:
    """One file of the set.

    Args:
        label: Its label; without a score where there is none.
        path: Where it is, or should be.
        listed: A label file names it.
    """

    label: Label
    path: Path
    listed: bool


@dataclass(frozen=True)
class Inventory:
    """A data set.

    Args:
        items: Its files: those listed in the order of listing, then the others.
        findings: What is wrong with its tables.
        tables: The label files found.
    """

    items: list[Item]
    findings: list[Finding]
    tables: list[Path]


def take_inventory(root: Path, labels: Path | None) -> Inventory:
    """Read the tables and list the videos of a data set.

    Args:
        root: The data root.
        labels: One table for all, or None to look for the usual names; a set without any is a bare folder.

    Raises:
        UserError: There is no such folder or table, or neither labels nor videos are found.
    """
    if not root.is_dir():
        raise UserError("no such folder", where=str(root), mend="name the folder that holds the videos")
    tables = _tables(root, labels)
    found: dict[str, Label] = {}
    findings: list[Finding] = []
    for split, table in tables:
        read = read_label_file(table)
        findings += read.findings
        for label in read.labels:
            label = replace(label, split=split or label.split)
            if label.id in found:
                where = f"listed in {table.name}, and for {found[label.id].split} too"
                findings.append(Finding("leak", label.id, where))
            found.setdefault(label.id, label)
    if tables:
        findings += _pair_findings(root, set(found))
    items = [Item(label, root / label.id, True) for label in found.values()]
    items += [Item(_unlabelled(id), root / id, False) for id in _videos(root, bool(tables)) if id not in found]
    return Inventory(items, findings, [table for _, table in tables])


def _tables(root: Path, labels: Path | None) -> list[tuple[str | None, Path]]:
    """Split and path of every label file; no split where the table itself tells it."""
    if labels is not None:
        path = next((path for path in (labels, root / labels) if path.is_file()), None)
        if path is None:
            raise UserError("no such file", where=f"--labels {labels}", mend=f"looked here and below {root}")
        return [(None, path)]
    tables: list[tuple[str | None, Path]] = []
    for split in SPLITS:
        names = (root / pattern.format(split) for pattern in LABELS_OF_A_SPLIT)
        tables += [(split, path) for path in names if path.is_file()][:1]
    whole = root / LABELS_OF_ALL
    return tables or ([(None, whole)] if whole.is_file() else [])


def _pair_findings(root: Path, known: set[str]) -> Iterable[Finding]:
    try:
        read_pair_tables(root, None, known)
    except UserError as error:
        return [Finding("bad table", Path(error.where).name, error.what)]
    return []


def _videos(root: Path, labelled: bool) -> list[str]:
    """Ids of the videos below the root."""
    try:
        return [path.relative_to(root).as_posix() for path in find_videos([root])]
    except UserError:
        if labelled:
            return []
        raise


def _unlabelled(id: str) -> Label:
    folder = id.partition("/")[0]
    return Label(id, None, kvq_content(id) or id, folder if folder in SPLITS and folder != id else None)
