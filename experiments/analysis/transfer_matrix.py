"""The matrix: rows are what models were trained on, columns what they are tested on."""

from collections.abc import Mapping

from experiments.analysis.report import Report, Table
from experiments.analysis.transfer_judge import Clips, Gap, Score, System, corrected, gap, judge
from records.errors import UserError

HEADS = ("trained on", "tested on", "SROCC", "low", "high", "sd of seeds", "PLCC", "low", "high")
GAPS = ("trained on", "tested on", "against", "SROCC", "low", "high", "p (Holm)", "PLCC", "low", "high")
READING = (
    "Means over seeds; 95 % intervals are over contents, of gaps by a paired bootstrap on the same clips; p is that of "
    "SROCC, corrected by Holm's method for the rows of the table. A drop is told within a column, against the model "
    "trained on the tested set: along a row the clips differ, and with them how hard they are."
)
Cells = dict[tuple[str, str], dict[str, Score]]
Pairs = dict[tuple[str, str, str], tuple[dict[str, Score], dict[str, Score]]]


def tell(
    report: Report, sets: Mapping[str, Clips], trained: Mapping[str, System], pooled: Mapping[str, System]
) -> None:
    """Add the matrix, the drops against its diagonal, and what pools bring, to a report.

    Raises:
        UserError: A pooled model has no counterpart without a pool, or clips lack predictions.
    """
    if alone := [name for name in pooled if name not in trained]:
        told = f"{alone[0]} is not among those trained without a pool, {', '.join(trained)}"
        raise UserError(told, where="--pooled", mend="name it as in --trained")
    plain, helped = _cells(trained, sets), _cells(pooled, sets)
    report.parts += [
        "## The matrix",
        "Tested on: " + ", ".join(f"{name} ({len(each.ids)} clips, {each.contents} contents)"
                                  for name, each in sets.items()) + ".",
        _grid(trained, pooled, sets, plain, helped),
        Table("matrix", HEADS, [_row(name, test, score) for (name, test), score in plain.items()]
              + [_row(_with(name), test, score) for (name, test), score in helped.items()]),
    ]  # fmt: skip
    drops: Pairs = {}
    gains: Pairs = {}
    for cells, shown in ((plain, str), (helped, _with)):
        for (name, test), score in cells.items():
            if name != test and (test, test) in plain:
                drops[shown(name), test, f"trained on {test}"] = score, plain[test, test]
            if cells is helped and (name, test) in plain:
                gains[_with(name), test, "without"] = score, plain[name, test]
    for stem, title, pairs in (
        ("drops", "Against models trained on the tested set", drops),
        ("gains", "What a pool of the other sets' clips brings", gains),
    ):
        if pairs:
            report.parts += [f"## {title}", _gaps(report, stem, pairs)]
    report.parts.append(READING)
    for cells, mark in ((plain, ""), (helped, "+pool")):
        for (name, test), score in cells.items():
            report.figures |= {f"{name}{mark}/{test}/{figure}": each.value for figure, each in score.items()}


def _cells(systems: Mapping[str, System], sets: Mapping[str, Clips]) -> Cells:
    return {
        (name, test): judge([(system, clips)])
        for name, system in systems.items()
        for test, clips in sets.items()
        if system.tested_on(clips)
    }


def _with(name: str) -> str:
    return f"{name} + pool"


def _grid(
    trained: Mapping[str, System], pooled: Mapping[str, System], sets: Mapping[str, Clips], plain: Cells, helped: Cells
) -> Table:
    """SROCC alone, as a matrix is read."""
    rows = [
        [shown(name), *(cells[name, test]["srocc"].value if (name, test) in cells else None for test in sets)]
        for systems, cells, shown in ((trained, plain, str), (pooled, helped, _with))
        for name in systems
    ]
    return Table("grid", ("SROCC: trained on", *(f"tested on {name}" for name in sets)), rows, digits=3)


def _row(name: str, test: str, score: Mapping[str, Score]) -> list[object]:
    srocc, plcc = score["srocc"], score["plcc"]
    return [name, test, srocc.value, *_ends(srocc.interval), srocc.sd, plcc.value, *_ends(plcc.interval)]


def _gaps(report: Report, stem: str, pairs: Pairs) -> Table:
    found = {
        key: {figure: gap(ours[figure], theirs[figure]) for figure in ours} for key, (ours, theirs) in pairs.items()
    }
    chances = corrected([each["srocc"] for each in found.values()])
    rows: list[list[object]] = []
    for (key, each), p in zip(found.items(), chances, strict=True):
        rows.append([*key, *_told(each["srocc"]), p, *_told(each["plcc"])])
        report.figures[f"{stem}/{key[0].replace(' + ', '+')}/{key[1]}/srocc"] = each["srocc"].value
    return Table(stem, GAPS, rows)


def _told(each: Gap) -> list[float | None]:
    return [each.value, *_ends(each.interval)]


def _ends(interval: tuple[float, float] | None) -> tuple[float | None, float | None]:
    return interval or (None, None)
