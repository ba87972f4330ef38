"""Agreement of metrics with people, and a calibrated fusion of metrics without reference, judged on left-out methods.

Votes are tables of `user-study`. Pictures are folders as of `score kwaisr` (--system), or their scores are read from
tables of `score kwaisr --csv` (--scores), or both. Where no people have voted, --simulate makes votes of a simulated
rater out of distances to the originals; everything that is written then says so.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.analysis.report import Report
from experiments.build_folder import positive
from records.errors import UserError, not_written

if TYPE_CHECKING:
    from experiments.analysis.agreement_measured import Measured
    from records.votes import Vote


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Pictures, scores and votes."""
    add = parser.add_argument
    add("--system", nargs="+", default=[], metavar="NAME=DIR", dest="systems", help="pictures of each system")
    add("--truth", nargs="+", default=[], metavar="DIR", type=Path, help="originals; several splits are one set")
    add("--scores", nargs="+", default=[], metavar="[NAME=]FILE.csv", help="tables of `score kwaisr --csv`")
    add("--niqe", metavar="FILE", type=Path, help="fitted NIQE model (npz)")
    add("--weights", nargs="+", default=[], metavar="NAME=FILE", help="local checkpoints of lpips, musiq, ...")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--votes", nargs="+", metavar="FILE.csv", type=Path, help="tables of votes")
    source.add_argument("--simulate", type=int, metavar="SEED", help="votes of a SIMULATED rater instead")
    add("--raters", type=positive, default=6, metavar="N", help="simulated raters (6)")


def run(args: argparse.Namespace) -> Report:
    """Measure, gather votes, judge the metrics, fuse them."""
    from experiments.analysis.agreement_measured import Measured, measure, metrics_of, named_alike, read_tables
    from experiments.analysis.agreement_report import Question, report
    from experiments.analysis.agreement_simulated import is_simulated
    from experiments.score_kwaisr.command import weight_files
    from experiments.user_study import named
    from records.votes import read_votes

    folders = {name: Path(folder) for name, folder in named(args.systems, "--system").items()}
    if folders and not args.truth:
        mend = "name the originals; the inputs, where wild pictures have none"
        raise UserError("is missing", where="--truth", mend=mend)
    if not folders and not args.scores:
        raise UserError("there is nothing to judge", where="--system", mend="give folders, or tables by --scores")
    measured = read_tables(args.scores)
    if folders:
        found = measure(folders, args.truth, weight_files(args.weights), args.niqe)
        values = {name: {**measured.values.get(name, {}), **by} for name, by in found.values.items()}
        measured = Measured({**measured.values, **values}, {**measured.groups, **found.groups}, found.missing)
    votes = _simulated(args, measured) if args.votes is None else named_alike(read_votes(args.votes), measured)
    systems = sorted({name for vote in votes for name in (vote.system_a, vote.system_b)})
    images = sorted({vote.image for vote in votes})
    if len(systems) < 3:
        mend = "give votes on three systems or more"
        raise UserError(f"{len(systems)} systems cannot be left out one by one", where="--votes", mend=mend)
    metrics, left = metrics_of(measured.values, images, systems)
    if not any(not metric.compares for metric in metrics):
        mend = "give the pictures by --system, or tables with PIQE, NIQE, MUSIQ, ..."
        raise UserError("no metric without reference has all voted pictures", where="--scores", mend=mend)
    # A metric that the tables bring is not missing.
    names = {metric.name for metric in metrics}
    missing = [told for told in measured.missing if told.partition(":")[0] not in names]
    return report(Question(votes, images, systems, measured.groups, metrics, left, missing, is_simulated(votes)))


def _simulated(args: argparse.Namespace, measured: "Measured") -> "list[Vote]":
    """Votes of simulated raters on all pictures that have the distances they go by; kept as a table."""
    import csv

    import numpy as np

    from experiments.analysis.agreement_simulated import TERMS, simulate
    from records.files import atomic_path
    from records.votes import COLUMNS

    lacking = [name for name in TERMS if name not in measured.values]
    if lacking:
        mend = "give pictures with originals by --system and --truth, and `pip install --no-deps stlpips-pytorch`"
        raise UserError(f"a simulated rater needs {', '.join(lacking)}", where="--simulate", mend=mend)
    first = measured.values[TERMS[0]]
    systems, images = (sorted({key[place] for key in first}) for place in (0, 1))
    try:
        tables = {
            name: np.array([[measured.values[name][system, image] for system in systems] for image in images])
            for name in TERMS
        }
    except KeyError as error:
        told = "/".join(error.args[0])
        mend = "give all systems the same pictures"
        raise UserError(f"{told} has no distance to its original", where="--simulate", mend=mend) from None
    votes = simulate(tables, images, systems, args.raters, args.simulate)
    file = args.out / "votes-simulated.csv"
    try:
        with atomic_path(file) as temporary, open(temporary, "w", newline="", encoding="utf-8") as out:
            rows = [[getattr(vote, column) for column in COLUMNS] for vote in votes]
            csv.writer(out, lineterminator="\n").writerows([COLUMNS, *rows])
    except OSError as error:
        raise not_written(file, error) from None
    return votes
