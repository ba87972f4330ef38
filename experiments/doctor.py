"""What of this machine will not work, will cost time, or is dangerous, each with the command that mends it.

Looks at the interpreter, the packages, codecs and decoders, image libraries, processors, memory, shared memory, disks,
the folder of runs, GPUs and W&B; nothing is installed, downloaded or changed. With --weights it lists every published
checkpoint that the recipes can use instead: its origin and licence, which key takes it, and whether it is here. Exit 1
when something will not work.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from experiments.diagnosis.finding import LEVELS, Finding, examine
from records.files import write_json
from records.provenance import environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write what was found to this file")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of the runs (runs)")
    parser.add_argument("--workers", type=int, default=8, help="processes that load data on this machine (8)")
    parser.add_argument("--weights", action="store_true", help="list the published checkpoints instead")
    parser.add_argument(
        "--root", type=Path, default=Path("weights"), metavar="DIR", help="where their files lie (weights)"
    )


def run(args: argparse.Namespace) -> int:
    """Print what was found and return 1 when something will not work."""
    if args.weights:
        from experiments.diagnosis.weight_table import show_weights

        return show_weights(args.root, args.json)
    counts = dict.fromkeys(LEVELS, 0)
    found: list[dict[str, Any]] = []
    for finding in examine(_checks(args.runs, args.workers)):
        _show(finding)
        counts[finding.level] += 1
        found.append(finding.plain())
    print("\n" + ", ".join(f"{count} {level}" for level, count in counts.items()))
    if args.json:
        write_json(args.json, {"findings": found, "counts": counts, "environment": environment()})
    return int(counts["error"] > 0)


def _checks(runs: Path, workers: int) -> dict[str, Any]:
    # Every check imports what it needs by itself, so that a broken package is a finding and no end.
    from experiments.diagnosis import dashboard, gpus, images, packages, processors, shadows, storage, video

    return {
        "packages": packages.packages,
        "names": shadows.shadows,
        # OpenCV comes before the decoders: decord's own zlib, loaded first, breaks its PNG.
        "images": images.images,
        "video": video.video,
        "processors": processors.threads,
        "memory": processors.memory,
        "open files": processors.open_files,
        "shared memory": partial(processors.shared_memory, workers),
        "disk": partial(storage.room, runs),
        "run folder": partial(storage.run_folder, runs),
        "gpu": gpus.gpus,
        "w&b": partial(dashboard.dashboard, runs),
    }


def _show(finding: Finding) -> None:
    print(f"{finding.level:<8}{finding.about:<18}{finding.what}")
    if finding.mend:
        print(f"{' ' * 26}mend: {finding.mend}")
