"""The sub-command ``prepare ladder``."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from experiments.build_folder import clip_bar, positive


def add_ladder(names: Any) -> None:
    """Add the sub-command to those of ``prepare``."""
    ladder = names.add_parser("ladder", help="unlabelled clips, each with six encodings of known order")
    ladder.add_argument("--root", required=True, metavar="DIR", type=Path, help="folder of the ladders")
    ladder.add_argument(
        "--from", required=True, metavar="FOLDER", type=Path, dest="source", help="folder of the clips, searched below"
    )
    ladder.add_argument("--jobs", type=positive, default=2, metavar="N", help="processes (default: 2)")
    ladder.add_argument("--seed", type=int, default=0, metavar="S", help="seed of all that is drawn (default: 0)")
    ladder.add_argument("--limit", type=positive, metavar="N", help="draw so many of the clips (default: all)")
    ladder.set_defaults(prepare=prepare_ladder)


def prepare_ladder(args: argparse.Namespace) -> int:
    """Build the ladders; the exit code is 1 where clips were left out."""
    from experiments.ladder.build import MANIFEST, build
    from records.files import read_json

    started = time.monotonic()
    with clip_bar() as progress:
        made = build(
            args.root,
            args.source,
            seed=args.seed,
            jobs=args.jobs,
            limit=args.limit,
            progress=progress,
        )
    if not made:
        print(f"{args.root} is complete; nothing to do")
        return 0
    manifest = read_json(args.root / MANIFEST)
    contents, broken = manifest["contents"], manifest["broken"]
    files = sum(len(content["versions"]) for content in contents.values())
    print(f"{len(contents)} ladders, {files} files, built in {time.monotonic() - started:.0f} s")
    if broken:
        print(f"{len(broken)} clips left out; {MANIFEST} lists them:", file=sys.stderr)
        for source, why in list(broken.items())[:5]:
            print(f"  {source}: {why}", file=sys.stderr)
    return int(bool(broken))
