"""Inflation: students whose pool holds the evaluated clips against students whose pool holds as many others.

Two halves of the evaluated clips take turns. One student learns pseudo-labels of the first half, another of the second;
each half is judged by the one that has seen its clips and by the one that has not. Both pools are of one kind, and no
correlation mixes predictions of two students.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.analysis.report import Report, Table
from experiments.analysis.transfer_judge import Clips, Score, System, corrected, gap, judge

HEADS = ("pool", "labelled by", "SROCC", "low", "high", "sd of seeds", "PLCC", "low", "high")
GAPS = ("gap", "SROCC", "low", "high", "p (Holm)", "PLCC", "low", "high")
Arms = Mapping[str, tuple[System, System]]
NONE, OTHER, SEEN = "no pool", "other clips", "the evaluated clips"
TEACHERS = {"honest": "a teacher that saw none of their labels", "leaky": "a teacher that saw their labels"}
COMPARED = {
    "transductive": ("evaluated clips less other clips, honest teacher", (SEEN, "honest"), (OTHER, "honest")),
    "leaked": ("evaluated clips by the leaking teacher less other clips by the honest one", (SEEN, "leaky"),
               (OTHER, "honest")),
    "indirect": ("other clips, leaking less honest teacher", (OTHER, "leaky"), (OTHER, "honest")),
    "pool": ("other clips by the honest teacher less no pool", (OTHER, "honest"), (NONE, "")),
}  # fmt: skip
READING = (
    "Each row is the mean over both halves and over seeds; 95 % intervals are over contents, drawn within each half, "
    "those of gaps paired on the same clips; p is that of SROCC, corrected by Holm's method for the rows of the table."
)
MADE_ON_PURPOSE = (
    "In the second part students learnt labels of clips that they are judged on, on purpose, to measure what that "
    "does: none of their scores is a result."
)


def read_arms(
    alone: str, honest: Sequence[str], leaky: Sequence[str] | None, root: Path
) -> dict[str, tuple[System, System]]:
    """Students by their teacher: the one of the first half's pool, and the one of the second's; ``alone`` is both."""
    plain = System("alone", [alone], root)
    arms = {"alone": (plain, plain)}
    for name, words in (("honest", honest), ("leaky", leaky or ())):
        if words:
            first, second = (System(f"{name}, half {place}", [word], root) for place, word in enumerate(words, start=1))
            arms[name] = first, second
    return arms


def tell(report: Report, halves: Sequence[Clips], arms: Arms) -> None:
    """Add scores of all arms and the gaps between them to a report.

    Raises:
        UserError: Clips lack predictions.
    """
    scores = {(NONE, ""): judge(list(zip(arms["alone"], halves, strict=True)))}
    for teacher in (name for name in TEACHERS if name in arms):
        first, second = arms[teacher]
        scores[OTHER, teacher] = judge(list(zip((second, first), halves, strict=True)))
        scores[SEEN, teacher] = judge(list(zip((first, second), halves, strict=True)))
    report.cautions.append(MADE_ON_PURPOSE)
    report.cautions += _uneven(arms)
    rows = [[pool, TEACHERS.get(teacher, ""), *_figures(score)] for (pool, teacher), score in scores.items()]
    sizes = " and ".join(f"{len(half.ids)} clips of {half.contents} contents" for half in halves)
    report.parts += ["## Labels of the evaluated clips", f"Halves: {sizes}.", Table("inflation", HEADS, rows)]
    gaps = {
        name: (told, {figure: gap(scores[ours][figure], scores[theirs][figure]) for figure in ("srocc", "plcc")})
        for name, (told, ours, theirs) in COMPARED.items()
        if ours in scores and theirs in scores
    }
    chances = corrected([each["srocc"] for _, each in gaps.values()])
    table: list[list[object]] = []
    for (name, (told, each)), p in zip(gaps.items(), chances, strict=True):
        srocc, plcc = each["srocc"], each["plcc"]
        ends, others = srocc.interval or (None, None), plcc.interval or (None, None)
        table.append([told, srocc.value, *ends, p, plcc.value, *others])
        report.figures[f"inflation/{name}/srocc"] = srocc.value
        report.figures[f"inflation/{name}/low"], report.figures[f"inflation/{name}/high"] = ends
    report.parts += ["## The inflation", Table("inflation_gaps", GAPS, table), READING]
    for (pool, teacher), score in scores.items():
        report.figures[f"inflation/{pool}{f', {teacher}' if teacher else ''}/srocc"] = score["srocc"].value


def _figures(score: Mapping[str, Score]) -> list[float | None]:
    srocc, plcc = score["srocc"], score["plcc"]
    return [srocc.value, *(srocc.interval or (None, None)), srocc.sd, plcc.value, *(plcc.interval or (None, None))]


def _uneven(arms: Arms) -> list[str]:
    """A sentence where the pools are not of one size, as far as the runs tell."""
    sizes = {
        system.name: run.summary["pool"]["clips"]
        for pair in arms.values()
        for system in pair
        for run in system.runs
        if isinstance(run.summary.get("pool"), dict)
    }
    if len(set(sizes.values())) < 2:
        return []
    told = ", ".join(f"{name} {count}" for name, count in sizes.items())
    return [f"The pools are not of one size, which the gaps may come from: {told} clips."]
