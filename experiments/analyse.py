"""Analyse finished runs for one question: slicing, blends, agreement with people, transfer, cost frontier.

Each question is one module of `experiments/analysis/`; a study in `configs/study/` runs what it needs first.
"""

import argparse
from pathlib import Path

from experiments.analysis.names import QUESTIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each question."""
    import importlib

    names = parser.add_subparsers(dest="question", required=True, metavar="QUESTION")
    for name in QUESTIONS:
        module = importlib.import_module(f"experiments.analysis.{name}")
        words = names.add_parser(name, help=(module.__doc__ or "").partition("\n")[0], description=module.__doc__)
        module.add_arguments(words)
        words.add_argument("--out", type=Path, required=True, metavar="DIR", help="write report, tables, pictures here")
        words.set_defaults(analyse=module.run)


def run(args: argparse.Namespace) -> int:
    """Analyse, write the report, print it, and return the exit code."""
    report = args.analyse(args)
    report.write(args.out)
    print(report.markdown())
    print(f"written: {args.out / 'report.html'}")
    return 0
