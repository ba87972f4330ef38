"""Accuracy against cost: which design is the best under each limit of GMACs, and whether more would buy anything.

Every bank that is named holds the tokens of a frozen trunk. A design is that trunk on all frames of the bank or, where
these are the middles of equal parts of a video, on every third, fifth ... of them, which are the middles of so many
fewer parts. It has the student's head, which is trained here, for each fold and seed. Costs are those of the whole
network on the whole view, from frames to score, as the command `budget` counts them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.analysis.report import Report, Table
from records.errors import UserError

if TYPE_CHECKING:
    from experiments.analysis.frontier_designs import Design
    from experiments.analysis.frontier_heads import Clips
    from experiments.analysis.frontier_judge import Judged, Step
    from metrics.bootstrap import ContentBootstrap

LIMITS = (5.0, 10.0, 20.0, 50.0, 120.0)
# The limit that the question is about.
LOW = 20.0
LEVEL = 0.05
HEADS = ("design", "reads", "GMACs", "params M", "SROCC", "sd", "PLCC", "sd", "score", "low", "high")
LIMIT_HEADS = ("under", "designs", "best", "GMACs", "its score", "chosen blind", "change", "low", "high", "p (Holm)")
READING = (
    "Score: (SROCC + PLCC) / 2 of all clips, each predicted by a head that was trained without its fold; mean over "
    "seeds, and sd over seeds. Low and high: 95 % over contents, whole contents drawn. Chosen blind: each fold is "
    "predicted by the design that is the best under the limit on the other folds, since the best of many looks better "
    "than it is on the clips that chose it. Change: of that against the limit before, paired on the same draws, p "
    "corrected for the number of limits by Holm's method."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("bank", nargs="+", help="banks with a token of every frame and crop; folders or patterns")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="data set that the banks are of")
    parser.add_argument("--expert", required=True, type=Path, metavar="FILE", help="whose trunk filled them")
    parser.add_argument("--student", required=True, type=Path, metavar="FILE", help="whose head and loss designs have")
    parser.add_argument("--recipes", nargs="*", type=Path, default=[], metavar="FILE", help="only counted, as marks")
    parser.add_argument("--limits", nargs="+", type=float, default=LIMITS, metavar="G", help="GMACs, 5 10 20 50 120")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="heads of each fold (default 3)")


def run(args: argparse.Namespace) -> Report:
    """Train heads of all designs, judge and compare them.

    Raises:
        UserError: A word names no bank, a bank does not serve, or a file cannot be read.
    """
    from experiments.analysis.frontier_designs import designs, find_banks
    from experiments.analysis.frontier_heads import out_of_fold, read_clips, read_model
    from experiments.analysis.frontier_judge import judge
    from experiments.analysis.frontier_picture import picture
    from experiments.budget import figures
    from metrics.bootstrap import ContentBootstrap

    if args.seeds < 1:
        raise UserError(f"{args.seeds} is less than 1", where="--seeds", mend="give 3 or more")
    student = read_model(args.student, ("network", "loss", "optimizer"), "--student")
    expert = read_model(args.expert, ("expert",), "--expert")["expert"]
    recipes = [(path.stem, figures(path)) for path in args.recipes]
    clips, found = read_clips(args.data), designs(find_banks(args.bank), expert, student["network"])
    for design in found:
        if lacking := design.bank.missing(clips.ids):
            what = f"lacks {len(lacking)} of {len(clips.ids)} labelled clips, for example {lacking[0]}"
            raise UserError(what, where=str(design.bank.folder), mend="run its train.py predict again")
    bootstrap = ContentBootstrap(clips.targets, clips.contents)
    judged = [
        judge(out_of_fold(design.head, design.tokens(clips.ids), clips, range(args.seeds), student), bootstrap)
        for design in found
    ]
    limits, marks = sorted(args.limits), [(name, cost["gmacs"]) for name, cost in recipes]
    report = Report(f"Accuracy against cost: {len(found)} designs on {clips.size}")
    report.cautions = [*_cautions(found, limits, marks), *_few(args.seeds)]
    rows = _under(found, judged, limits, clips, bootstrap)
    best, steps = _front(found, judged)
    shown = picture(found, judged, best, limits, marks)
    report.parts += ["## Under each limit", Table("limits", LIMIT_HEADS, rows), READING]
    report.parts += [_answer(report, found, judged, clips, bootstrap), shown]
    report.parts += ["## Designs, by cost", Table("designs", HEADS, _rows(found, judged)), "## The front", steps]
    if recipes:
        heads = ("recipe", "GMACs", "params M", "under")
        counted = [[name, cost["gmacs"], cost["params_m"], _band(cost["gmacs"], limits)] for name, cost in recipes]
        report.parts += ["## Counted, not trained", Table("recipes", heads, sorted(counted, key=lambda row: row[1]))]
    report.figures |= {"designs": len(found), "designs_under_20": sum(design.gmacs < LOW for design in found)}
    for limit, row in zip(limits, rows, strict=True):
        report.figures |= {f"best_under_{limit:g}": row[2], f"blind_under_{limit:g}": row[5]}
    return report


def _cautions(found: Sequence["Design"], limits: Sequence[float], marks: Sequence[tuple[str, float]]) -> list[str]:
    said = [
        "All designs have a frozen trunk and only their head is trained; the recipes at the foot of the picture are "
        "counted and not trained, so nothing is said of their accuracy."
    ]
    bands = zip([0.0, *limits], limits, strict=False)
    empty = [f"{low:g} and {high:g}" for low, high in bands if not any(low <= each.gmacs < high for each in found)]
    if empty:
        said.append(f"No design was trained between {', nor between '.join(empty)} GMACs.")
    if stand_ins := sorted({each.view for each in found if each.bank.header.stand_in}):
        said.append(
            f"With stand-ins in place of trained trunks, so that no score means anything: {', '.join(stand_ins)}."
        )
    return said


def _few(seeds: int) -> list[str]:
    return [] if seeds >= 3 else [f"Too few seeds ({seeds}) to say how far a seed moves a score."]


def _rows(found: Sequence["Design"], judged: Sequence["Judged"]) -> list[list[Any]]:
    rows = []
    for design, each in zip(found, judged, strict=True):
        reads = "x".join(map(str, (design.shape[0], *design.shape[2:])))
        spreads = [value for figure in (each.srocc, each.plcc) for value in (figure.mean, figure.sd)]
        reach = each.interval or (None, None)
        rows.append([design.name, reads, design.gmacs, design.params_m, *spreads, each.score.mean, *reach])
    return rows


def _under(
    found: Sequence["Design"],
    judged: Sequence["Judged"],
    limits: Sequence[float],
    clips: "Clips",
    bootstrap: "ContentBootstrap",
) -> list[list[Any]]:
    """A row for each limit, with the step from the limit before where another design was chosen."""
    from experiments.analysis.frontier_judge import chosen_blind, judge, step
    from experiments.comparison.statistics import holm

    rows: list[list[Any]] = []
    steps: dict[int, Step] = {}
    before = None
    for limit in limits:
        inside = [place for place, design in enumerate(found) if design.gmacs < limit]
        rows.append([f"{limit:g}", len(inside), *[None] * 4])
        if not inside:
            continue
        blind = judge(chosen_blind([judged[place] for place in inside], clips), bootstrap)
        top = max(inside, key=lambda place: judged[place].score.mean)
        rows[-1][2:] = [found[top].name, found[top].gmacs, judged[top].score.mean, blind.score.mean]
        if before is not None and (blind.predictions != before.predictions).any():
            steps[len(rows) - 1] = step(blind, before)
        before = blind
    fixed = dict(zip(steps, holm([made.p for made in steps.values()]), strict=True))
    for place, row in enumerate(rows):
        made = steps.get(place)
        row += [made.value, *(made.interval or (None, None)), fixed[place]] if made else [None] * 4
    return rows


def _front(found: Sequence["Design"], judged: Sequence["Judged"]) -> tuple[list[int], Table]:
    """Places of designs that no cheaper one equals, and what each step along them costs and gains."""
    from experiments.analysis.frontier_judge import front, step

    best, rows = front(found, judged), []
    for place, before in zip(best, [None, *best], strict=False):
        row = [found[place].name, found[place].gmacs, judged[place].score.mean]
        if before is not None:
            made = step(judged[place], judged[before])
            row += [found[place].gmacs / found[before].gmacs, made.value, *(made.interval or (None, None))]
        rows.append([*row, *[None] * (7 - len(row))])
    return best, Table("front", ("design", "GMACs", "score", "times the cost", "gain", "low", "high"), rows)


def _answer(
    report: Report, found: Sequence["Design"], judged: Sequence["Judged"], clips: "Clips", bootstrap: "ContentBootstrap"
) -> list[str]:
    """Whether staying under 20 GMACs costs accuracy, on this data."""
    from experiments.analysis.frontier_judge import chosen_blind, judge, step

    cheap = [each for design, each in zip(found, judged, strict=True) if design.gmacs < LOW]
    if not cheap or len(cheap) == len(found):
        where = "under" if cheap else "over"
        return [f"All designs are {where} {LOW:g} GMACs, so nothing is said of what lies beyond."]
    dear = [place for place, design in enumerate(found) if design.gmacs >= LOW]
    top = max(dear, key=lambda place: judged[place].score.mean)
    best = max(range(len(cheap)), key=lambda place: cheap[place].score.mean)
    direct = step(judged[top], cheap[best])
    report.figures |= {"gain_beyond_20": direct.value, "p_beyond_20": direct.p}
    said = (
        f"The best of {len(dear)} designs beyond {LOW:g} GMACs, {found[top].name} with {found[top].gmacs:.1f}, against "
        f"the best of {len(cheap)} under it, {found[best].name} with {found[best].gmacs:.1f}: {_told(direct)}."
    )
    blind, within = (judge(chosen_blind(group, clips), bootstrap) for group in (judged, cheap))
    chosen = "No fold chose a design beyond it blind."
    if (blind.predictions != within.predictions).any():
        chosen = f"Chosen blind, all against those under it: {_told(step(blind, within))}."
    side = "Both were the best on these very clips, which favours the side with more designs."
    return [said, chosen, f"{side} That is this data and this trunk, and no challenge's score."]


def _told(made: "Step") -> str:
    reach = f"{made.interval[0]:+.4f} to {made.interval[1]:+.4f}" if made.interval else "unknown"
    shown = "no difference shown" if made.p >= LEVEL else "better" if made.value > 0 else "worse"
    return f"{made.value:+.4f} (95 % {reach}, p {made.p:.3f}), {shown}"


def _band(cost: float, limits: Sequence[float]) -> str:
    return next((f"{limit:g}" for limit in limits if cost < limit), "none")
