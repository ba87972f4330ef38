"""Blends of two candidates against their fusion: does the fusion lie beyond the curve of distortion and perception?

Pictures of every blend and of each seed of the fusion are scored as `score kwaisr` scores them. The blends make a curve
from the faithful candidate (share 0) to the perceptual one (share 1); told is how far the fusion lies beyond it, with
intervals over photographs.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.analysis.report import Report, Table
from records.errors import UserError

if TYPE_CHECKING:
    from experiments.analysis.blends_curve import Axis, Judged, Pictures

# Fewer photographs than this, and another choice of them may turn the result.
FEW = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Pictures of the systems, originals, and what is measured."""
    add = parser.add_argument
    add("--blend", nargs="+", required=True, metavar="SHARE=DIR", dest="blends",
        help="pictures of a blend by the share of the perceptual candidate: synthetic/ and perhaps wild/")  # fmt: skip
    add("--fusion", nargs="+", required=True, metavar="DIR", type=Path, help="pictures of each seed of the fusion")
    add("--truth", required=True, metavar="DIR", type=Path, help="originals, as of `score kwaisr`")
    add("--distortion", nargs="+", default=["psnr", "l1"], metavar="NAME", help="metrics of distortion (psnr l1)")
    add("--perception", default="st_lpips", metavar="NAME", help="perceptual metric of synthetic pictures (st_lpips)")
    add("--wild", default="piqe", metavar="NAME", help="metric without reference of wild pictures (piqe)")
    add("--weights", nargs="+", metavar="NAME=FILE", default=[], help="local checkpoints of lpips, musiq, ...")
    add("--image", metavar="ID", help="synthetic picture that crops are of; the one the candidates differ in most")


def run(args: argparse.Namespace) -> Report:
    """Score, judge, draw."""
    from experiments.analysis.blends_curve import axes_of, judge, read_pictures
    from experiments.analysis.blends_pictures import crops, curves

    shares = _shares(args.blends)
    names = [*args.distortion, args.perception, args.wild]
    blends, fusions = read_pictures([folder for _, folder in shares], args.fusion, args.truth, names, args.weights)
    grid = [share for share, _ in shares]
    distortions, perception, wild = axes_of(blends[0], args.distortion, args.perception, args.wild)
    pairs = [(distortion, perception) for distortion in distortions]
    pairs += [(distortions[0], wild)] if wild.ids else []
    judged = [judge(grid, first, second, blends, fusions) for first, second in pairs]
    report = Report(f"Fusion against blends of its candidates: {distortions[0].title} and {perception.title}")
    report.cautions = _cautions(distortions[0], wild, len(fusions))
    axes = [*distortions, perception, *([wild] if wild.ids else [])]
    report.parts = [
        "## Systems",
        _systems(grid, axes, blends, fusions),
        curves(grid, pairs, blends, fusions),
        "## Does the fusion lie beyond the curve?",
        "Beyond: the least by which some blend would have to gain in both figures to be as good as the fusion, as a "
        "share of what lies between the best and the worst blend; below 0 some blend is better in both by that much. "
        "Gain: what the fusion is better by than the best blend that is no worse in the other figure; none where all "
        "are. Intervals are 95 % of 2000 draws of whole photographs.",
        _judgements(judged),
        [_sentence(each) for each in judged],
        "## What it looks like",
        crops(grid, blends, fusions, args.image),
    ]
    main = judged[0]
    report.figures = {
        "beyond": main.beyond.value,
        "beyond_low": main.beyond.low,
        "beyond_high": main.beyond.high,
        "images": len(distortions[0].ids),
        "photographs": len(set(distortions[0].groups)),
    }
    return report


def _shares(words: list[str]) -> list[tuple[float, Path]]:
    """Shares and folders in rising order."""
    found: dict[float, Path] = {}
    for word in words:
        share, sign, folder = word.partition("=")
        try:
            value = float(share)
        except ValueError:
            value = -1.0
        if not (sign and folder and 0 <= value <= 1):
            mend = "write a share from 0 to 1, =, and a folder"
            raise UserError(f"{word!r} is not SHARE=DIR", where="--blend", mend=mend)
        if value in found:
            raise UserError(f"the share {share} is there twice", where="--blend", mend="give one folder for each share")
        found[value] = Path(folder)
    if not {0.0, 1.0} <= found.keys():
        raise UserError("0 and 1, the candidates themselves, are not both there", where="--blend", mend="add them")
    return sorted(found.items())


def _cautions(distortion: "Axis", wild: "Axis", seeds: int) -> list[str]:
    from experiments.comparison.statistics import ENOUGH_SEEDS

    photographs = len(set(distortion.groups))
    said = []
    if photographs < FEW:
        count = f"{len(distortion.ids)} synthetic images of {photographs} photographs"
        said.append(f"{count}: other photographs may turn the result.")
    if wild.ids and len(set(wild.groups)) < 2:
        said.append(f"All {len(wild.ids)} wild images show one content: no interval over contents.")
    if seeds < ENOUGH_SEEDS:
        said.append(f"Too few seeds of the fusion ({seeds}) to say how far a seed moves it.")
    said.append("The candidates are of one fit: how far another fit would move them does not stand here.")
    return said


def _systems(grid: list[float], axes: "list[Axis]", blends: "list[Pictures]", fusions: "list[Pictures]") -> Table:
    import numpy as np

    names = {0.0: "faithful candidate (share 0)", 1.0: "perceptual candidate (share 1)"}
    rows = [
        [names.get(share, f"blend, share {share:g}"), *(each.mean(axis) for axis in axes)]
        for share, each in zip(grid, blends, strict=True)
    ]
    seeds = [[each.mean(axis) for axis in axes] for each in fusions]
    rows.append([f"fusion, mean of {len(fusions)} runs", *(float(value) for value in np.mean(seeds, axis=0))])
    rows += [[f"fusion, run {place + 1}", *seed] for place, seed in enumerate(seeds) if len(seeds) > 1]
    return Table("systems", ["system", *(f"{axis.title} {axis.arrow}" for axis in axes)], rows)


def _judgements(judged: "list[Judged]") -> Table:
    rows = []
    for each in judged:
        gains = [gain.shown(4) for gain in each.gains]
        rows.append([f"{each.first.title} and {each.second.title}", each.beyond.shown(3), *gains, each.seeds])
    heads = ["figures", "beyond (95 %)", "gain in the first (95 %)", "gain in the second (95 %)", "beyond, each seed"]
    return Table("beyond", heads, rows)


def _sentence(each: "Judged") -> str:
    """What the interval allows to say."""
    told = f"{each.first.title} and {each.second.title}: "
    low, high = each.beyond.low, each.beyond.high
    if low is None or high is None:
        return f"{told}{'beyond' if each.beyond.value > 0 else 'within'} the curve, of a single content."
    if low > 0:
        return f"{told}the fusion lies beyond the curve of blends."
    if high < 0:
        return f"{told}the fusion lies within the curve: some blend is better in both."
    return f"{told}not shown to lie beyond the curve, nor within it."
