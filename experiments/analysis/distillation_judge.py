"""SROCC of teacher and students on the same clips, and their change against the first, over contents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.runs import Item, Run
from experiments.comparison.statistics import DRAWS, holm, spread
from records.errors import UserError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One group of runs on one set of clips.

    Args:
        name: What it is called.
        seeds: Runs.
        files: Clips it was judged on.
        contents: Contents among them.
        srocc: Mean over its runs.
        sd: Sample standard deviation over its runs; None for one.
        plcc: Mean over its runs.
        change: SROCC less that of the first group; None for that one.
        interval: 95 % interval of the change over contents.
        corrected: P value of the change, corrected for the number of groups.
    """

    name: str
    seeds: int
    files: int
    contents: int
    srocc: float
    sd: float | None
    plcc: float
    change: float | None = None
    interval: tuple[float, float] | None = None
    corrected: float | None = None


def judge(groups: Mapping[str, Sequence[Run]], splits: Sequence[str]) -> list[Row]:
    """Rows of all groups on some splits together; the first group is what the others are held against.

    Raises:
        UserError: A run has no predictions there, or not for the same clips.
    """
    from metrics.bootstrap import ContentBootstrap, interval

    tables = {name: [_items(run, splits) for run in runs] for name, runs in groups.items()}
    first = next(iter(tables.values()))[0]
    for name, each in tables.items():
        for run, table in zip(groups[name], each, strict=True):
            if not table or table.keys() != first.keys():
                what = f"has no predictions of the same {' and '.join(splits)} clips as the others"
                mend = "fit it and test it, on the data of the others"
                raise UserError(what, where=str(run.folder), mend=mend)
    ids = sorted(first)
    contents = [first[id].content for id in ids]
    draws = ContentBootstrap([first[id].values["target"] for id in ids], contents, draws=DRAWS)
    rows: list[Row] = []
    base: Floats | None = None
    chances: list[float] = []
    for name, each in tables.items():
        said = [np.array([table[id].values["prediction"] for id in ids]) for table in each]
        wholes = [draws.whole(prediction) for prediction in said]
        over = spread([whole["srocc"] for whole in wholes])
        plcc = float(np.mean([whole["plcc"] for whole in wholes]))
        row = Row(name, over.n, len(ids), len(set(contents)), over.mean, over.sd, plcc)
        drawn = np.mean([draws.scores(prediction)["srocc"] for prediction in said], axis=0)
        if base is None:
            base = drawn
        else:
            gaps = drawn - base
            row = replace(row, change=row.srocc - rows[0].srocc, interval=interval(gaps))
            chances.append(_chance(gaps))
        rows.append(row)
    return [rows[0], *(replace(row, corrected=p) for row, p in zip(rows[1:], holm(chances), strict=True))]


def _items(run: Run, splits: Sequence[str]) -> dict[str, Item]:
    return {id: item for split in splits for id, item in run.items(split).items()}


def _chance(gaps: Floats) -> float:
    """Two-sided share of draws on the other side of no change, at least one of all draws; 1 where none has a value."""
    known = gaps[np.isfinite(gaps)]
    if not len(known):
        return 1.0
    return min(1.0, max(2 * float(min(np.mean(known <= 0), np.mean(known >= 0))), 1 / len(known)))
