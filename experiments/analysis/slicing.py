"""Thresholds of density slicing: accuracy and kept tiles at equal cost, clips that move, low-contrast failures.

The runs differ in the threshold of their view of slices. The tiles are cut again from the clips, so that every figure
stands beside what was looked at.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.analysis.report import Report, Table
from records.errors import UserError

if TYPE_CHECKING:
    from experiments.analysis.slicing_judge import Judged
    from experiments.analysis.slicing_views import Cutter
    from experiments.comparison.runs import Run

# Clips of the list of movers, and pictures.
MOVERS, PICTURES = 10, 6
CHOICE = (
    "A tile is kept where its density reaches the threshold; as many are cut at every threshold. Where more are kept, "
    "the densest comes first and then those farthest from all taken; where fewer are kept, the densest others fill up. "
    "So a low threshold spreads the tiles over the frame, and one that too few tiles reach takes the densest."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run", nargs="+", help="EXPERIMENT for all its variants, EXPERIMENT/VARIANT, patterns, folders")
    parser.add_argument("--split", choices=("val", "test"), default="test", help="split to judge (default: test)")
    parser.add_argument("--root", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")


def run(args: argparse.Namespace) -> Report:
    """Cut the tiles again, judge, draw.

    Raises:
        UserError: A run cuts no slices or was not judged as the others, thresholds are no different ones, or no clip
            can be read.
    """
    from experiments.analysis.slicing_gallery import gallery
    from experiments.analysis.slicing_judge import judge, low_contrast_failures, read
    from experiments.analysis.slicing_views import cutter, gmacs, look
    from experiments.comparison.runs import find_runs

    groups = find_runs(args.run, args.root)
    cut = {name: cutter(runs[0]) for name, runs in groups.items()}
    names = sorted(cut, key=lambda name: cut[name].threshold)
    cutters, groups = [cut[name] for name in names], {name: groups[name] for name in names}
    thresholds = [each.threshold for each in cutters]
    if len(set(thresholds)) < max(2, len(names)):
        what = f"these have the thresholds {', '.join(f'{each:g}' for each in thresholds)}"
        raise UserError(what, where=", ".join(names), mend="name two or more variants, each with another threshold")
    tables = read([*groups.values()], args.split)
    slicings, unreadable = look(cutters, tables[0][0])
    if not slicings:
        raise UserError("none of the clips can be read", where=str(cutters[0].root), mend="put them there")
    found = judge(thresholds, tables, slicings, cutters[0].view.tiles)
    costs = [gmacs(runs[0]) for runs in groups.values()]
    failures = low_contrast_failures(found)
    report = Report(f"Slicing by density, {found.tiles} tiles a frame: {args.split} of {cutters[0].root}")
    report.cautions = _cautions(groups, args.split, cutters, costs, unreadable)
    report.parts = [
        CHOICE,
        "## Accuracy and kept tiles",
        f"{len(found.ids)} clips of {len(set(found.contents))} contents; mean over seeds and standard deviation. "
        "Error: |prediction - label|, bias: prediction - label, means over clips and seeds.",
        _accuracy(found, costs, [len(runs) for runs in groups.values()]),
        "## Clips without contrast",
        "Filled up: clips that keep fewer tiles than are cut. Difference: their error less that of the others, with a "
        "95 % interval from draws of whole contents.",
        _contrast(found),
        "## Clips that move",
        "Change: mean |prediction - prediction at the lowest threshold|. Where both cut the same tiles, the stored "
        "tiles are the same, and only the head was trained on others.",
        _changes(found),
        f"The {MOVERS} clips whose error differs most between their best and their worst threshold. Seeds: standard "
        "deviation of that error over seeds, which moves it at every threshold.",
        _movers(found),
        "## Low-contrast failures",
        _gallery_words(found, failures),
        *gallery(found, failures[:PICTURES], cutters),
    ]
    report.figures = _figures(found, costs)
    return report


def _cautions(
    groups: Mapping[str, Sequence["Run"]],
    split: str,
    cutters: Sequence["Cutter"],
    costs: Sequence[float | None],
    unreadable: Sequence[str],
) -> list[str]:
    from experiments.build_folder import RECIPE
    from experiments.comparison.cautions import cautions
    from experiments.comparison.statistics import ENOUGH_SEEDS
    from records.runs import read_status

    said = cautions(groups, split, next(iter(groups)), ())
    if made := read_status(cutters[0].root / RECIPE).get("data"):
        said.append(f"The clips are {made}, a small made-up set; no figure is one of the challenge's data.")
    if few := [name for name, runs in groups.items() if len(runs) < ENOUGH_SEEDS]:
        said.append(f"Too few seeds to say how far a seed moves a score: {', '.join(few)}.")
    if len({repr({**each.view.signature(), "threshold": 0}) for each in cutters}) > 1:
        said.append("The views differ in more than their threshold.")
    if None in costs:
        said.append("What the stored rows cost is not known for all: no run beside these made them.")
    elif len(set(costs)) > 1:
        said.append("The thresholds do not cost the same; accuracy is not compared at equal cost.")
    if unreadable:
        said.append(f"{len(unreadable)} clips cannot be read and are left out, for example {unreadable[0]}.")
    return said


def _accuracy(found: "Judged", costs: Sequence[float | None], seeds: Sequence[int]) -> Table:
    from experiments.comparison.statistics import spread

    rows = []
    for at, threshold in enumerate(found.thresholds):
        plcc, srocc = (spread(values) for values in _scores(found, at))
        other = int(found.other(0, at).sum())
        bias, keeps = float((found.said[at] - found.labels).mean()), int((found.kept[at] > 0).sum())
        rows.append(
            [f"{threshold:g}", seeds[at], plcc.mean, plcc.sd, srocc.mean, srocc.sd, float(found.errors[at].mean()),
             bias, float(found.kept[at].mean()), keeps, int(found.filled[at].sum()), other, costs[at]]
        )  # fmt: skip
    heads = ["threshold", "seeds", "PLCC", "sd", "SROCC", "sd", "error", "bias", "kept share", "clips that keep any",
             "clips filled up", f"other tiles than at {found.thresholds[0]:g}", "GMACs"]  # fmt: skip
    return Table("thresholds", heads, rows, digits=3)


def _scores(found: "Judged", at: int) -> tuple[list[float], list[float]]:
    """PLCC and SROCC of every seed at a threshold."""
    from metrics.correlation import plcc, srocc

    each = found.predictions[at]
    return [plcc(said, found.labels) for said in each], [srocc(said, found.labels) for said in each]


def _contrast(found: "Judged") -> Table:
    from experiments.analysis.slicing_judge import split_means

    rows: list[list[Any]] = []
    for at, threshold in enumerate(found.thresholds):
        filled, bias = found.filled[at], found.said[at] - found.labels
        errors, biases = (split_means(values, filled, found.contents) for values in (found.errors[at], bias))
        if errors is None or biases is None:
            rows.append([f"{threshold:g}", int(filled.sum()), *[None] * 7])
            continue
        low, high = errors[2] or (None, None)
        rows.append([f"{threshold:g}", int(filled.sum()), *errors[:2], errors[0] - errors[1], low, high, *biases[:2]])
    heads = ["threshold", "clips filled up", "their error", "error of the others", "difference", "low", "high",
             "their bias", "bias of the others"]  # fmt: skip
    return Table("contrast", heads, rows, digits=3)


def _changes(found: "Judged") -> Table:
    rows = []
    for at, threshold in enumerate(found.thresholds[1:], 1):
        other, change = found.other(0, at), abs(found.said[at] - found.said[0])
        means = [float(change[side].mean()) if side.any() else None for side in (other, ~other)]
        rows.append([f"{threshold:g}", int(other.sum()), means[0], int((~other).sum()), means[1]])
    heads = ["threshold", "clips with other tiles", "their change", "clips with the same tiles", "their change"]
    return Table("changes", heads, rows, digits=3)


def _movers(found: "Judged") -> Table:
    rows = []
    for place in sorted(range(len(found.ids)), key=lambda place: -found.moves[place])[:MOVERS]:
        best, worst = int(found.errors[:, place].argmin()), int(found.errors[:, place].argmax())
        rows.append(
            [found.ids[place], found.contents[place], float(found.labels[place]), *map(float, found.said[:, place]),
             float(found.moves[place]), float(found.noise[place]),
             f"{found.thresholds[best]:g} / {found.thresholds[worst]:g}",
             "other" if found.other(best, worst)[place] else "the same"]
        )  # fmt: skip
    heads = ["clip", "content", "label", *(f"at {threshold:g}" for threshold in found.thresholds), "move", "seeds",
             "best / worst", "tiles there"]  # fmt: skip
    return Table("movers", heads, rows, digits=2)


def _gallery_words(found: "Judged", failures: Sequence[int]) -> str:
    low, large, lowest = int(found.filled[found.lowest].sum()), len(failures), found.thresholds[found.lowest]
    said = (
        f"{low} of {len(found.ids)} clips keep fewer than {found.tiles} tiles even at {lowest:g}; of these {large} "
        "have an error above the split's median"
    )
    if not failures:
        return f"{said}."
    return (
        f"{said}; the worst {min(large, PICTURES)} are shown. Green: cut; dark: not looked at; the number is the "
        "density. Thresholds that cut the same tiles share a picture."
    )


def _figures(found: "Judged", costs: Sequence[float | None]) -> dict[str, float | int | str | None]:
    figures: dict[str, float | int | str | None] = {"clips": len(found.ids)}
    for at, threshold in enumerate(found.thresholds):
        plcc, srocc = (sum(values) / len(values) for values in _scores(found, at))
        figures |= {f"plcc {threshold:g}": plcc, f"srocc {threshold:g}": srocc}
        figures |= {f"kept share {threshold:g}": float(found.kept[at].mean()), f"gmacs {threshold:g}": costs[at]}
    return figures
