"""Official scores of predictions and of pictures, with intervals.

Track `kvq` scores predicted video quality, track `kwaisr` super-resolved pictures.
"""

import argparse

import experiments.score_kwaisr.command as score_kwaisr
from experiments import score_kvq


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command for each challenge track."""
    tracks = parser.add_subparsers(dest="track", required=True, metavar="TRACK")
    kvq = tracks.add_parser("kvq", help="video quality: 0.45 SROCC + 0.45 PLCC + 0.05 + 0.05 rank accuracy")
    score_kvq.add_arguments(kvq)
    kvq.set_defaults(score=score_kvq.score_kvq)
    kwaisr = tracks.add_parser(
        "kwaisr",
        help="super-resolution: PSNR + 10 SSIM - 10 LPIPS + 0.1 MUSIQ + 10 MANIQA + 10 CLIPIQA",
        description=score_kwaisr.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    score_kwaisr.add_arguments(kwaisr)
    kwaisr.set_defaults(score=score_kwaisr.score_kwaisr)


def run(args: argparse.Namespace) -> int:
    """Score, print, and return the exit code."""
    return int(args.score(args))
