"""What a pool of pseudo-labels gains or loses a student: teacher and students beside the one without a pool.

Told on validation, on test and on both together, with intervals over contents; and whether the pool leaks.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.analysis.report import Report, Table

if TYPE_CHECKING:
    from experiments.analysis.distillation_judge import Row
    from experiments.comparison.runs import Run
    from records.pseudo_labels import PseudoLabels

SPLITS: Mapping[str, tuple[str, ...]] = {"val": ("val",), "test": ("test",), "both": ("val", "test")}
HEADS = ("who", "seeds", "SROCC", "sd", "PLCC", "change of SROCC", "low", "high", "p (Holm)")
READING = (
    "Change: mean over seeds against the student without a pool, on the same clips; its 95 % interval and p come from "
    "a paired bootstrap of whole contents, p corrected for the number of rows by Holm's method. Validation chose the "
    "epochs, so test is the split that nothing was chosen on."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("student", nargs="+", help="students with a pool: EXPERIMENT/VARIANT, patterns, run folders")
    parser.add_argument("--baseline", required=True, metavar="RUN", help="the student without a pool")
    parser.add_argument("--teacher", required=True, metavar="RUN", help="run that judged the teacher on val and test")
    parser.add_argument("--labels", required=True, type=Path, metavar="FILE", help="the teacher's pseudo-labels")
    parser.add_argument("--root", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")


def run(args: argparse.Namespace) -> Report:
    """Judge teacher and students.

    Raises:
        UserError: A word names no run, the table cannot be read, or runs were judged on other clips.
    """
    from experiments.analysis.distillation_judge import judge
    from experiments.comparison.runs import find_runs
    from records.pseudo_labels import read_pseudo_labels

    pool = read_pseudo_labels(args.labels)
    teacher = {"teacher": next(iter(find_runs([args.teacher], args.root).values()))}
    plain = next(iter(find_runs([args.baseline], args.root).values()))
    students = find_runs(args.student, args.root)
    groups = {"without a pool": plain, **teacher, **{name.rpartition("/")[2]: runs for name, runs in students.items()}}
    found = {split: judge(groups, parts) for split, parts in SPLITS.items()}
    report = Report(f"Distillation{_on(plain[0])}: what a pool of pseudo-labels gains or loses the student")
    report.cautions = [*_leaks(pool, groups), *_premise(found["val"]), _few(found["test"])]
    report.parts += ["## The pool", _pool(pool)]
    for split, rows in found.items():
        size = f"{rows[0].files} clips of {rows[0].contents} contents"
        report.parts += [f"## {split}: {size}", Table(f"distillation_{split}", HEADS, [_cells(row) for row in rows])]
        for row in rows:
            report.figures[f"{split}/{row.name}/srocc"] = row.srocc
            if row.change is not None:
                report.figures[f"{split}/{row.name}/change"] = row.change
    report.parts.append(READING)
    report.figures["transductive"] = str(_is_transductive(pool, groups)).lower()
    return report


def _on(run: "Run") -> str:
    """Data that a run was made from."""
    paths = [each.get("path") for each in run.summary.get("inputs") or [] if each.get("kind") == "data"]
    return f" on {paths[0]}" if paths else ""


def _cells(row: "Row") -> list[Any]:
    low, high = row.interval or (None, None)
    return [row.name, row.seeds, row.srocc, row.sd, row.plcc, row.change, low, high, row.corrected]


def _is_transductive(pool: "PseudoLabels", groups: Mapping[str, Sequence["Run"]]) -> bool:
    return bool(pool.header.get("transductive")) or any(
        run.summary.get("transductive") for runs in groups.values() for run in runs
    )


def _leaks(pool: "PseudoLabels", groups: Mapping[str, Sequence["Run"]]) -> list[str]:
    if _is_transductive(pool, groups):
        return ["Transductive: clips of validation or test, or clips that look like them, were labelled and learnt."]
    return []


def _premise(rows: Sequence["Row"]) -> list[str]:
    plain, teacher = rows[0], rows[1]
    told = f"on validation the teacher has SROCC {teacher.srocc:.3f}, the student without a pool {plain.srocc:.3f}"
    if teacher.srocc <= plain.srocc:
        return [f"The premise failed, there is nothing to learn from this teacher: {told}."]
    return [f"The teacher is ahead of what it teaches: {told}."]


def _few(rows: Sequence["Row"]) -> str:
    return f"Test shows {rows[0].contents} contents; an interval over so few is itself rough."


def _pool(pool: "PseudoLabels") -> list[str]:
    counts = {name: int(count) for name, count in (pool.header.get("counts") or {}).items()}
    dropped = [f"{name} {count}" for name, count in counts.items() if name not in ("pool", "labelled", "leaks")]
    state = (
        "Transductive: yes."
        if pool.header.get("transductive")
        else "Transductive: no. No clip of validation or test, nor one that looks like it, has a label."
    )
    leaks = counts.get("leaks", 0)
    return [
        f"{len(pool.ids)} labels of {counts.get('pool', len(pool.ids))} clips, {len(set(pool.contents))} contents.",
        f"Left out: {', '.join(dropped) or 'none'}; clips that are or look like held-out ones {leaks}.",
        state,
    ]
