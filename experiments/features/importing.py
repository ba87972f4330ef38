"""Imports an expert's features: what is right is kept, what is not is named, and the same command goes on."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.features.layouts import LAYOUTS
from records.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from records.feature_bank import BankHeader

SAMPLERS = ("OnePerSecond", "OnePerSecondFull", "Uniform")
_BATCH = 64


def add_features(names: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the sub-command."""
    parser = names.add_parser("features", help="import features of an expert that another program ran")
    parser.add_argument("--root", required=True, metavar="DIR", type=Path, help="folder of the feature banks")
    parser.add_argument("--expert", required=True, choices=sorted(LAYOUTS), help="whose features they are")
    source = "folder of .npy files named after the videos, or of folders with one .npy a frame; or one .npz"
    parser.add_argument("--from", required=True, dest="source", metavar="DIR", type=Path, help=source)
    parser.add_argument("--data", required=True, metavar="DIR", type=Path, help="data set whose videos these are")
    parser.add_argument("--below", default="", metavar="NAME", help="folder of the data set that the names are in")
    parser.add_argument("--tokens", type=int, metavar="N", help="rows a video (default: 8 for frames, 1 for hvs_5m)")
    parser.add_argument(
        "--sampler", choices=SAMPLERS, default=SAMPLERS[0], help="which frames the rows are of (default: %(default)s)"
    )
    parser.add_argument("--bank", metavar="NAME", help="name of the bank (default: the expert)")
    parser.add_argument("--version", default="imported", help="what to tell these features by, such as a model's name")
    parser.set_defaults(prepare=import_features)


def import_features(args: argparse.Namespace) -> int:
    """Import, print what was wrong, and return 1 when anything was."""
    from experiments.features.sources import find_features, match, row_of
    from records.bank_writer import BankWriter, refusal
    from records.feature_bank import HEADER, FeatureBank

    layout, folder = LAYOUTS[args.expert], args.root / (args.bank or args.expert)
    tokens = args.tokens if args.tokens is not None else layout.tokens or 1
    if tokens < 1 or (layout.tokens == 1 and tokens > 1):
        raise UserError(f"{tokens} is out of range", where="--tokens", mend="give 1 or more, for fast_vqa 1")
    reads = find_features(args.source, layout, tokens, args.below)
    every = known_ids(args.data)
    matched = match(reads, every)
    wanted = [id for id in every if not args.below or id.startswith(f"{args.below}/")]
    problems = {f"{name}: extra, names no video of {args.data}" for name in reads.keys() - set(matched.values())}
    problems |= {f"{id}: missing, {args.source} has no features of it" for id in wanted if id not in matched}

    left = [id for id in every if id in matched]
    if (folder / HEADER).is_file():
        bank = FeatureBank(folder)
        bank.check(_header(args, tokens, bank.header.width))
        left = bank.missing(left)
    written = 0
    rows: dict[str, np.ndarray] = {}
    writer: BankWriter | None = None
    for id in left:
        try:
            row = row_of(reads[matched[id]](), layout, tokens)
        except ValueError as fault:
            problems.add(f"{id}: {fault}")
            continue
        if writer is None:  # now that the width is known
            writer = BankWriter(FeatureBank.prepare(folder, _header(args, tokens, row.shape[1]), left))
        if reason := refusal(row, writer.bank.header):
            problems.add(f"{id}: {reason}")
            continue
        rows[id] = row
        written += 1
        if len(rows) == _BATCH:
            writer.write([*rows], rows.values())
            rows = {}
    if writer is not None:
        writer.write([*rows], rows.values())
        writer.close()
    for problem in sorted(problems):
        print(problem)
    done = len(matched) - len(left) + written
    print(f"{folder}: {done} of {len(wanted)} videos have rows, {written} of them new; {len(problems)} problems")
    return 1 if problems else 0


def known_ids(data: Path) -> list[str]:
    """Ids of a data set: those of its label files, and of every video in it."""
    from datamodules.tables import read_label_tables
    from datamodules.video_files import find_videos

    ids: dict[str, None] = {}
    problem: UserError | None = None
    try:
        ids |= dict.fromkeys(label.id for label in read_label_tables(data, None))
    except UserError as error:
        problem = error
    try:
        ids |= dict.fromkeys(path.relative_to(data).as_posix() for path in find_videos([data]))
    except UserError:
        if problem is not None:
            raise problem from None
    return sorted(ids)


def _header(args: argparse.Namespace, tokens: int, width: int) -> "BankHeader":
    from datamodules.video import samplers
    from records.feature_bank import BankHeader
    from records.hashing import value_hash

    sampler = value_hash(getattr(samplers, args.sampler)(tokens).signature()) if tokens > 1 else ""
    view = {"imported": args.expert}
    return BankHeader(args.bank or args.expert, args.version, "", sampler, tokens, width, view=view)
