"""Reading label files that may be wrong: faulty rows become findings, the others are read all the same."""

import csv
import re
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from experiments.data_report.finding import Finding
from records.errors import UserError
from records.labels import VERSIONS_OF_A_CONTENT, Label, read_csv_rows, read_labels

_FAULT = re.compile(r"(?:^|, )row (\d+): (.*?)(?=, row \d+: |, and \d+ more faulty rows$|$)", re.DOTALL)
_NUMBERED = re.compile(r"(train|val|test)/(\d{1,9})\.mp4")
# A refusal names the first five rows; a table that is wrong all through is given up after 250.
_ROUNDS = 50


@dataclass
class LabelFile:
    """What one label file says.

    Args:
        labels: Its sound rows.
        findings: What is wrong with the others, or with the whole.
        by_number: Contents go by KVQ's numbering of files.
    """

    labels: list[Label] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    by_number: bool = False


def read_label_file(path: Path) -> LabelFile:
    """Read one table; nothing in it raises.

    Scores may be empty. Where faulty rows leave gaps in KVQ's numbering, contents go by number nevertheless.
    """
    name = path.name
    result = LabelFile()
    told: list[str] = []
    try:
        result.labels, result.findings, told = _sound_rows(path)
    except UserError as error:
        result.findings = [Finding("bad table", name, _without_place(error))]
    contents = [kvq_content(label.id) for label in result.labels]
    if not contents or None in contents:
        return result
    own = all(label.content == label.id for label in result.labels)
    result.by_number = own or all(
        label.content == content for label, content in zip(result.labels, contents, strict=True)
    )
    if own:
        result.labels = [
            replace(label, content=str(content)) for label, content in zip(result.labels, contents, strict=True)
        ]
    if result.by_number and not result.findings:
        result.findings = [Finding("bad label", name, text) for text in told] or _odd_groups(result.labels)
    return result


def kvq_content(id: str) -> str | None:
    """The content that KVQ's numbering gives a file, None for names that do not follow it."""
    match = _NUMBERED.fullmatch(id)
    return f"{match[1]}/{(int(match[2]) - 1) // VERSIONS_OF_A_CONTENT}" if match else None


def _sound_rows(path: Path) -> tuple[list[Label], list[Finding], list[str]]:
    """Labels, findings on rows, and warnings; raises where the table is wrong as a whole."""
    try:
        return _read(path)
    except UserError as error:
        if not _FAULT.search(error.what):
            raise
    rows = dict(read_csv_rows(path))
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for _ in range(_ROUNDS):
            _write(copy, rows)
            try:
                labels, _, told = _read(copy)
                return labels, findings, told
            except UserError as error:
                faults = [(int(row), what) for row, what in _FAULT.findall(error.what) if int(row) in rows]
                if not faults:  # nothing but faulty rows
                    return [], findings, []
            for row, what in faults:
                kind = "duplicate id" if what.endswith(" already") else "bad label"
                findings.append(Finding(kind, path.name, f"row {row}: {what}"))  # type: ignore[arg-type]
                del rows[row]
    findings.append(Finding("bad table", path.name, f"more than {len(findings)} faulty rows; the table is left aside"))
    return [], findings, []


def _read(path: Path) -> tuple[list[Label], list[Finding], list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = read_labels(path, allow_missing_scores=True)
    return labels, [], [str(warning.message).removeprefix(f"{path}: ") for warning in caught]


def _write(path: Path, rows: dict[int, list[str]]) -> None:
    """Write rows at their old line numbers."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for line in range(1, max(rows, default=0) + 1):
            writer.writerow([" ".join(cell.split()) for cell in rows.get(line, [])])


def _odd_groups(labels: Sequence[Label]) -> list[Finding]:
    """Contents that are not of seven files, where files are grouped by number."""
    members: dict[str, list[str]] = {}
    for label in labels:
        members.setdefault(label.content, []).append(label.id)
    return [
        Finding(
            "bad label",
            ids[0],
            f"content {content} has {len(ids)} files instead of {VERSIONS_OF_A_CONTENT}: numbers are missing, or the "
            "set is not numbered as KVQ is and wants a column group",
        )
        for content, ids in members.items()
        if len(ids) != VERSIONS_OF_A_CONTENT
    ]


def _without_place(error: UserError) -> str:
    return f"{error.what}; {error.mend}" if error.mend else error.what
