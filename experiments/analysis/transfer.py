"""Across data sets: the loss on sets not trained on, and how far labels of the evaluated clips inflate a result.

Each question is answered where its options are given: the matrix by --sets and --trained, the inflation by --halves,
--alone, --honest and --leaky. Correlations are those of raw predictions, so sets may have scales of their own.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.analysis.report import Report
from records.errors import UserError

if TYPE_CHECKING:
    from experiments.analysis.transfer_judge import System

FEW = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--sets", nargs="+", default=[], metavar="NAME=FILE", help="test clips of each set: labels with contents")
    add(
        "--trained",
        nargs="+",
        default=[],
        metavar="NAME=RUNS",
        help="models by what they were trained on, as EXPERIMENT/VARIANT; a name may be given again, for runs that "
        "tested the same models on another set",
    )
    add("--pooled", nargs="+", default=[], metavar="NAME=RUNS", help="the same with a pool of another set's clips")
    add("--halves", nargs=2, type=Path, metavar="FILE", help="labels of two halves of the evaluated clips")
    add("--alone", metavar="RUNS", help="students without a pool")
    told = "students whose pool is the first half, and the second, by a teacher that "
    add("--honest", nargs=2, metavar="RUNS", help=f"{told}never saw their labels")
    add("--leaky", nargs=2, metavar="RUNS", help=f"{told}was trained on them")
    add("--root", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")


def run(args: argparse.Namespace) -> Report:
    """Judge, and say what stands before the figures.

    Raises:
        UserError: Options of neither question are whole, names do not match, or runs lack predictions.
    """
    from experiments.analysis import transfer_inflation, transfer_matrix
    from experiments.analysis.transfer_judge import System, read_clips

    matrix, inflation = bool(args.sets and args.trained), bool(args.halves and args.alone and args.honest)
    if not matrix and not inflation:
        mend = "give --sets and --trained, or --halves, --alone and --honest"
        raise UserError("names neither a matrix nor an inflation", where="analyse transfer", mend=mend)
    report = Report("Across data sets: what is lost on another set, and what labels of evaluated clips inflate")
    systems: list[System] = []
    files: list[int] = []
    if matrix:
        sets = {name: read_clips(Path(file)) for name, file in single(args.sets, "--sets").items()}
        groups = [
            {name: System(name, words, args.root) for name, words in named(given, option).items()}
            for given, option in ((args.trained, "--trained"), (args.pooled, "--pooled"))
        ]
        transfer_matrix.tell(report, sets, *groups)
        systems += [system for group in groups for system in group.values()]
        files += [clips.contents for clips in sets.values()]
    if inflation:
        # Draws of the halves must not go together.
        halves = tuple(read_clips(file, seed) for seed, file in enumerate(args.halves))
        arms = transfer_inflation.read_arms(args.alone, args.honest, args.leaky, args.root)
        transfer_inflation.tell(report, halves, arms)
        systems += [system for pair in arms.values() for system in pair]
        files += [clips.contents for clips in halves]
    report.cautions += _cautions(systems, files)
    return report


def named(given: Sequence[str], option: str) -> dict[str, list[str]]:
    """Name to the words given for it, in the order of the names."""
    found: dict[str, list[str]] = {}
    for word in given:
        name, mark, value = word.partition("=")
        if not (name and mark and value):
            raise UserError(f"{word!r} is no NAME=VALUE", where=option, mend="write it so")
        found.setdefault(name, []).append(value)
    return found


def single(given: Sequence[str], option: str) -> dict[str, str]:
    """Name to the one word given for it."""
    found = named(given, option)
    if twice := [name for name, words in found.items() if len(words) > 1]:
        raise UserError(f"{twice[0]} is given twice", where=option, mend="give a set one file")
    return {name: words[0] for name, words in found.items()}


def _cautions(systems: Sequence["System"], contents: Sequence[int]) -> list[str]:
    """What the runs say of themselves, and how little they are judged on."""
    from experiments.comparison.cautions import cautions
    from experiments.comparison.runs import Run
    from experiments.comparison.statistics import ENOUGH_SEEDS

    said: dict[str, None] = {}
    # Models of one row share their data; of two rows they differ on purpose.
    groups: dict[str, list[Run]] = {}
    for run in {run.folder: run for system in systems for run in system.runs}.values():
        groups.setdefault(run.name, []).append(run)
    told = cautions(groups, "test", "", [])
    said |= dict.fromkeys(each for each in told if "different splits of the data" not in each)
    if few := sorted({system.name for system in systems if len(system.said) < ENOUGH_SEEDS}):
        said[f"Too few seeds to say how far a seed moves a score: {', '.join(few)}."] = None
    if min(contents) < FEW:
        said[f"Judged on as few as {min(contents)} contents; an interval over so few is itself rough."] = None
    return list(said)
