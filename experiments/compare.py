"""Compare runs: variants over seeds, the change against a baseline and how sure it is, what differs, what it costs.

All of it comes from the runs' own folders. `--rerun` repeats a run instead, and says which figure comes out otherwise.
"""

import argparse
from pathlib import Path

from records.errors import CheckFailed, UserError
from records.files import write_text

# Differences told of a run that was repeated.
TOLD = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "run", nargs="*", help="run folders, EXPERIMENT/VARIANT for all its seeds, EXPERIMENT, patterns"
    )
    parser.add_argument(
        "--baseline", metavar="NAME", help="variant that the others are held against (default: the first)"
    )
    parser.add_argument(
        "--split", choices=("val", "test"), help="default: test where all runs have its score, else val"
    )
    parser.add_argument("--root", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write report.html, report.md, table.csv and pictures there"
    )
    parser.add_argument("--rerun", metavar="RUN", help="repeat this run from its folder and compare its figures")


def run(args: argparse.Namespace) -> int:
    """Compare, or repeat; 1 where a repeated run differs."""
    from experiments.comparison.runs import find_runs

    if bool(args.run) == bool(args.rerun):
        raise UserError("names no runs" if not args.run else "names runs beside --rerun", where="compare",
                        mend="give either runs to compare, or --rerun RUN")  # fmt: skip
    if args.rerun:
        return _rerun(args)
    from experiments.comparison.figures import draw
    from experiments.comparison.page import page
    from experiments.comparison.table import compare
    from experiments.comparison.texts import as_csv, markdown, show

    found = compare(find_runs(args.run, args.root), args.baseline, args.split)
    show(found)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        pictures = draw(found, args.out)
        write_text(args.out / "report.html", page(found, pictures))
        write_text(args.out / "report.md", markdown(found, [picture.with_suffix(".png").name for picture in pictures]))
        write_text(args.out / "table.csv", as_csv(found))
        print(f"written: {args.out / 'report.html'}")
    return 0


def _rerun(args: argparse.Namespace) -> int:
    import tempfile

    from experiments.comparison.rerun import rerun
    from experiments.comparison.runs import find_runs

    runs = [each for group in find_runs([args.rerun], args.root).values() for each in group]
    if len(runs) != 1:
        raise UserError(f"names {len(runs)} runs", where=f"--rerun {args.rerun}", mend="give one run folder")
    with tempfile.TemporaryDirectory(prefix="rerun-") as folder:
        said = rerun(runs[0], args.out or Path(folder))
    for line in said[:TOLD]:
        print(line)
    if said:
        what = f"{len(said)} figures came out otherwise"
        raise CheckFailed(
            what, where=str(runs[0].folder), mend="compare commit, packages, machine and data with its summary.json"
        )
    print(f"equal: every figure of {runs[0].name}-seed{runs[0].seed} came out again to the last digit")
    return 0
