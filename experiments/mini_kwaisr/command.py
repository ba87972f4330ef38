"""The sub-command ``prepare mini-kwaisr``."""

import argparse
import time
from pathlib import Path
from typing import Any

from experiments.build_folder import clip_bar, positive


def add_mini_kwaisr(names: Any) -> None:
    """Add the sub-command to those of ``prepare``."""
    mini = names.add_parser("mini-kwaisr", help="pairs degraded from packaged photographs; within a minute")
    mini.add_argument("--root", required=True, metavar="DIR", type=Path, help="folder of the data set")
    mini.add_argument("--jobs", type=positive, default=2, metavar="N", help="processes (default: 2)")
    mini.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the degradations (default: 0)")
    mini.add_argument(
        "--photos", type=positive, metavar="N", help="so many photographs and clips of each split, for a quick look"
    )
    mini.set_defaults(prepare=prepare_mini_kwaisr)


def prepare_mini_kwaisr(args: argparse.Namespace) -> int:
    """Build the mini-KwaiSR."""
    from experiments.mini_kwaisr.build import MANIFEST, build
    from records.files import read_json

    started = time.monotonic()
    with clip_bar() as progress:
        made = build(args.root, seed=args.seed, jobs=args.jobs, photos=args.photos, progress=progress)
    if not made:
        print(f"{args.root} is complete; nothing to do")
        return 0

    from experiments.mini_kwaisr.card import summary

    print(summary(read_json(args.root / MANIFEST)))
    print(f"built in {time.monotonic() - started:.0f} s")
    return 0
