"""Prepare a data set: mini-kvq, mini-kwaisr, the tiny base, ladders of your own clips, or features made elsewhere."""

import argparse
from pathlib import Path

from experiments.build_folder import clip_bar, positive
from experiments.features.importing import add_features
from experiments.ladder.command import add_ladder
from experiments.mini_kvq.sets import add_mini_sets
from experiments.mini_kwaisr.command import add_mini_kwaisr
from experiments.tiny_base.command import add_tiny_base


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each data set."""
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    mini = names.add_parser("mini-kvq", help="22 contents in 7 versions each, labelled by VMAF-NEG; a few minutes")
    mini.add_argument("--root", required=True, metavar="DIR", type=Path, help="folder of the data set")
    mini.add_argument("--jobs", type=positive, default=2, metavar="N", help="processes (default: 2)")
    mini.add_argument("--seed", type=int, default=0, metavar="S", help="seed of all that is drawn (default: 0)")
    mini.add_argument("--contents", type=int, metavar="N", help="only so many labelled contents, for a quick look")
    mini.add_argument("--seconds", type=float, metavar="T", help="cut every clip to this length")
    mini.set_defaults(prepare=prepare_mini_kvq)
    add_mini_sets(names)
    add_mini_kwaisr(names)
    add_tiny_base(names)
    add_features(names)
    add_ladder(names)


def run(args: argparse.Namespace) -> int:
    """Prepare, print what came of it, and return the exit code."""
    return int(args.prepare(args))


def prepare_mini_kvq(args: argparse.Namespace) -> int:
    """Build the mini-KVQ."""
    import time

    from experiments.mini_kvq.build import MANIFEST, build, cpu_seconds
    from experiments.mini_kvq.card import summary
    from records.files import read_json

    started = time.monotonic()
    with clip_bar() as progress:
        made = build(
            args.root,
            seed=args.seed,
            jobs=args.jobs,
            contents=args.contents,
            seconds=args.seconds,
            progress=progress,
        )
    if not made:
        print(f"{args.root} is complete; nothing to do")
        return 0
    print(summary(read_json(args.root / MANIFEST)))
    print(f"built in {time.monotonic() - started:.0f} s, {cpu_seconds():.0f} s of processor time")
    return 0
