"""What the votes say of the metrics, as tables and sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.analysis.agreement_measured import OFFICIAL, Metric
from experiments.analysis.agreement_pairs import Held, Pairs, leave_one_out, others_agree, pairs_of, told_right
from experiments.analysis.agreement_pictures import accuracies, reliabilities
from experiments.analysis.agreement_simulated import TERMS
from experiments.analysis.report import Report, Table
from experiments.preference.result import fit
from metrics.calibration import expected_error, reliability
from metrics.mean_interval import mean_interval
from metrics.pair_logistic import fit_pairs
from metrics.rank_agreement import EXACT, rank_agreement
from records.votes import Vote

# Fewer photographs than this, and others may turn the result.
FEW = 10
FUSION, SINGLE = "fusion without reference", "best single without reference"


@dataclass(frozen=True)
class Question:
    """What was voted on and measured.

    Args:
        votes: All votes.
        images: Images voted on.
        systems: Systems voted on.
        groups: Photograph of each image.
        metrics: Figures that every picture has.
        left: Metrics that not all pictures have.
        missing: Why others could not be had.
        simulated: Whether votes are of a simulated rater.
    """

    votes: Sequence[Vote]
    images: Sequence[str]
    systems: Sequence[str]
    groups: Mapping[str, str]
    metrics: Sequence[Metric]
    left: Sequence[str]
    missing: Sequence[str]
    simulated: bool

    @property
    def who(self) -> str:
        """Whose votes these are."""
        return "the SIMULATED rater" if self.simulated else "people"

    def circular(self, metric: Metric) -> str:
        """What ties a metric to a simulated rater."""
        if not self.simulated:
            return ""
        if metric.name in TERMS:
            return "made of it"
        return "same originals" if metric.compares else "no"


def report(asked: Question) -> Report:
    """Judge each metric, fuse those without reference, and tell."""
    pairs = pairs_of(asked.votes, asked.images, asked.systems, asked.groups)
    people = fit(asked.votes)
    rows = _singles(asked, pairs, people["systems"])
    held = _held_out(asked, pairs)
    told = Report(f"Agreement of metrics with {asked.who}: {len(asked.systems)} systems, {len(asked.images)} images")
    told.cautions = _cautions(asked, people)
    told.parts = [
        f"## What {asked.who} preferred",
        _preferred(asked, people["systems"]),
        f"## How often a metric tells what {asked.who} preferred",
        "Pairs: share of the votes with a winner in which the better figure is the winner's. Systems: rank correlation "
        "of means with strengths by Bradley and Terry; p is the share of orders by chance that agree as well.",
        _agreement(asked, rows),
        accuracies(asked, rows),
        "## A calibrated fusion, judged on methods it has never seen",
        "Each model gives the chance that one of two pictures is preferred, logistic in the differences of its "
        "figures. It is fitted on the votes without one system and predicts those with it, for every system in turn. "
        "The best single one is chosen anew each time, on the votes trained on.",
        _models(asked, pairs, held),
        _by_system(asked, pairs, held[FUSION], held[SINGLE]),
        _weights(asked, pairs),
        reliabilities(asked, pairs, held),
        _reliability(asked, pairs, held[FUSION]),
    ]
    gain = _gain(pairs, held[FUSION], held[SINGLE])
    told.figures = {
        "fusion_accuracy": float(held[FUSION].right(pairs).mean()),
        "single_accuracy": float(held[SINGLE].right(pairs).mean()),
        "gain": gain[0],
        "gain_low": gain[1][0] if gain[1] else None,
        "gain_high": gain[1][1] if gain[1] else None,
        "fusion_log_loss": held[FUSION].loss(pairs),
        "simulated": int(asked.simulated),
    }
    return told


def _cautions(asked: Question, people: Mapping[str, Any]) -> list[str]:
    said = []
    if asked.simulated:
        said.append(
            "The rater is SIMULATED: its votes are made of "
            f"{' and '.join(TERMS)} with noise. Nothing here says what people prefer. Agreement of these metrics is "
            "circular, and that of others which compare with the same originals nearly so."
        )
    photographs = len({asked.groups[image] for image in asked.images})
    if photographs < FEW:
        said.append(f"{len(asked.images)} images of {photographs} photographs: others may turn the result.")
    if people["raters"] < 2:
        said.append("One rater: how far raters agree is not known.")
    if len(asked.systems) > EXACT:
        said.append(f"{len(asked.systems)} systems: p is of random orders, not of all.")
    if asked.left:
        said.append(f"Left out, since not all voted pictures have them: {', '.join(asked.left)}.")
    said += [f"Not measured: {what}." for what in asked.missing]
    return said


def _preferred(asked: Question, systems: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [each["name"], each["strength"], *(each["interval"] or (None, None)), each["preferred"], each["votes"]]
        for each in systems
    ]
    heads = ["system", f"strength by {asked.who}", "low", "high", "preferred", "votes"]
    return Table("preferred", heads, rows, 3)


def _singles(asked: Question, pairs: Pairs, systems: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Of each metric: title, direction, tie to the rater, accuracy, its ends, SROCC, KROCC, p; the best first."""
    strength = {each["name"]: each["strength"] for each in systems}
    rows = []
    for metric in asked.metrics:
        right = told_right(pairs.differences(metric.table), pairs.won)
        found = rank_agreement(metric.table.mean(axis=0).tolist(), [strength[name] for name in asked.systems])
        ends = mean_interval(right.tolist(), pairs.groups) or (None, None)
        arrow = "\u2193" if metric.lower else "\u2191"
        rows.append(
            [metric.title, arrow, asked.circular(metric), float(right.mean()), *ends, found.srocc, found.krocc, found.p]
        )
    rows.sort(key=lambda row: -row[3])
    same, images = others_agree(asked.votes)
    if same:
        ends = mean_interval(same, [asked.groups[image] for image in images]) or (None, None)
        who = "other SIMULATED raters, most of them" if asked.simulated else "other raters, most of them"
        rows.append([who, "", "", float(np.mean(same)), *ends, None, None, None])
    return rows


def _agreement(asked: Question, rows: list[list[Any]]) -> Table:
    heads = ["metric", "better", "circular", f"pairs as {asked.who}", "low", "high", "SROCC", "KROCC", "p"]
    if not asked.simulated:
        heads.pop(2)
        rows = [[*row[:2], *row[3:]] for row in rows]
    return Table("agreement", heads, rows, 3)


def _held_out(asked: Question, pairs: Pairs) -> dict[str, Held]:
    """Predictions of left-out systems by each model, in the order of the table."""
    count = len(asked.systems)
    single = {metric.name: pairs.differences(metric.table)[:, None] for metric in asked.metrics}
    blind = [metric for metric in asked.metrics if not metric.compares and metric.name != OFFICIAL]
    together = np.concatenate([single[metric.name] for metric in blind], axis=1)
    held = {
        FUSION: leave_one_out(pairs, [together], count),
        f"{FUSION}, photograph left out too": leave_one_out(pairs, [together], count, photographs=True),
        SINGLE: leave_one_out(pairs, [single[metric.name] for metric in blind], count),
    }
    for metric in [*blind, *(metric for metric in asked.metrics if metric not in blind)]:
        held[f"{metric.title} alone" if metric.name != OFFICIAL else metric.title] = leave_one_out(
            pairs, [single[metric.name]], count
        )
    return {name: each for name, each in held.items() if len(each.place)}


def _gain(pairs: Pairs, ours: Held, theirs: Held) -> tuple[float, tuple[float, float] | None]:
    """Accuracy of one model less that of another on the same predictions, with its interval over photographs."""
    gaps = ours.right(pairs) - theirs.right(pairs)
    return float(gaps.mean()), mean_interval(gaps.tolist(), [pairs.groups[place] for place in ours.place])


def _models(asked: Question, pairs: Pairs, held: Mapping[str, Held]) -> Table:
    tie = {f"{metric.title} alone": asked.circular(metric) for metric in asked.metrics}
    tie |= {metric.title: asked.circular(metric) for metric in asked.metrics if metric.name == OFFICIAL}
    rows = []
    for name, each in held.items():
        right = each.right(pairs)
        ends = mean_interval(right.tolist(), [pairs.groups[place] for place in each.place]) or (None, None)
        error = expected_error(reliability(each.chance, pairs.won[each.place]))
        gain = ""
        if name != SINGLE and len(each.place) == len(held[SINGLE].place) and (each.place == held[SINGLE].place).all():
            value, reach = _gain(pairs, each, held[SINGLE])
            gain = f"{value:+.3f}" + (f" ({reach[0]:+.3f} to {reach[1]:+.3f})" if reach else "")
        rows.append([name, tie.get(name, ""), float(right.mean()), *ends, each.loss(pairs), error, gain])
    heads = [
        "model",
        "circular",
        f"accuracy on {asked.who}",
        "low",
        "high",
        "log loss",
        "ECE",
        "less best single",
    ]
    if not asked.simulated:
        heads.pop(1)
        rows = [[row[0], *row[2:]] for row in rows]
    return Table("models", heads, rows, 3)


def _by_system(asked: Question, pairs: Pairs, fusion: Held, single: Held) -> Table:
    """Share of its pairs that a left-out system wins, as said and as it was."""
    rows = []
    for place, name in enumerate(asked.systems):
        own = fusion.system == place
        if not own.any():
            continue
        mine = pairs.first[fusion.place[own]] == place
        said = np.where(mine, fusion.chance[own], 1 - fusion.chance[own])
        was = np.where(mine, pairs.won[fusion.place[own]], 1 - pairs.won[fusion.place[own]])
        right = [float(each.right(pairs)[each.system == place].mean()) for each in (fusion, single)]
        rows.append([name, int(own.sum()), *right, float(said.mean()), float(was.mean())])
    heads = ["left out", "votes", "accuracy, fusion", "accuracy, best single", "wins said", f"wins by {asked.who}"]
    return Table("left_out", heads, rows, 3)


def _weights(asked: Question, pairs: Pairs) -> Table:
    """Weights of the fusion fitted on all votes, and their range over the rounds."""
    blind = [metric for metric in asked.metrics if not metric.compares and metric.name != OFFICIAL]
    rows = np.stack([pairs.differences(metric.table) for metric in blind], axis=1)
    whole = fit_pairs(rows, pairs.won).weights
    kept = [~pairs.with_system(place) for place in range(len(asked.systems))]
    rounds = np.array([fit_pairs(rows[keep], pairs.won[keep]).weights for keep in kept if keep.any()])
    told = [
        [metric.title, float(whole[place]), float(rounds[:, place].min()), float(rounds[:, place].max())]
        for place, metric in enumerate(blind)
    ]
    heads = ["fused", f"log odds for a usual difference, by {asked.who}", "least over rounds", "most over rounds"]
    return Table("weights", heads, told, 3)


def _reliability(asked: Question, pairs: Pairs, fusion: Held) -> Table:
    bins = reliability(fusion.chance, pairs.won[fusion.place])
    rows = [
        [f"{each.low:.1f} to {each.high:.1f}", each.n, *((each.said, each.held) if each.n else (None, None))]
        for each in bins
    ]
    heads = ["chance given to the likelier", "predictions", "mean chance", f"preferred by {asked.who}"]
    return Table("reliability", heads, rows, 3)
