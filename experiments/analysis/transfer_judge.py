"""Correlations of runs on sets of clips: means over seeds, draws over contents, and gaps between two of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.runs import Run, find_runs
from experiments.comparison.statistics import DRAWS, holm
from records.errors import UserError
from records.labels import read_labels

if TYPE_CHECKING:
    from metrics.bootstrap import ContentBootstrap

Floats = NDArray[np.float64]
Interval = tuple[float, float]
FIGURES = ("srocc", "plcc")


@dataclass(frozen=True)
class Clips:
    """Labelled clips that runs are judged on, with the contents drawn of them.

    Args:
        path: The label file.
        ids: Ids, in the order of the file.
        contents: Number of contents.
        draws: Draws of contents.
    """

    path: Path
    ids: tuple[str, ...]
    contents: int
    draws: "ContentBootstrap"


@dataclass(frozen=True)
class Score:
    """One figure of a system on some clips.

    Args:
        value: Mean over seeds.
        by_seed: Value of each seed.
        drawn: (draws,) mean over seeds for each draw of contents.
    """

    value: float
    by_seed: Mapping[int, float]
    drawn: Floats

    @property
    def interval(self) -> Interval | None:
        """95 % interval over contents."""
        from metrics.bootstrap import interval

        return interval(self.drawn)

    @property
    def sd(self) -> float | None:
        """Sample standard deviation over seeds."""
        values = list(self.by_seed.values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else None


@dataclass(frozen=True)
class Gap:
    """How far one score is above another on the same clips.

    Args:
        value: Difference of the means over seeds.
        interval: 95 % interval over contents, both judged on the same draws.
        p: Two-sided, of no difference.
    """

    value: float
    interval: Interval | None
    p: float


class System:
    """Runs that differ by their seed, with all that they predicted of tested clips.

    Args:
        name: What it is called.
        words: What :func:`find_runs` understands; of one seed all runs that they name are one system, tested on
            several sets.
        root: Folder of all runs.

    Raises:
        UserError: A word names no run, or two runs of a seed predict one clip.
    """

    def __init__(self, name: str, words: Sequence[str], root: Path) -> None:
        self.name = name
        self.runs: list[Run] = [run for runs in find_runs(words, root).values() for run in runs]
        self.said: dict[int, dict[str, float]] = {}
        for run in self.runs:
            known = self.said.setdefault(run.seed, {})
            new = {id: item.values["prediction"] for id, item in run.items("test").items()}
            if twice := sorted(known.keys() & new.keys()):
                told = f"{len(twice)} clips were predicted by two runs of seed {run.seed}, for example {twice[0]}"
                mend = "name one run a seed and set; ids of two sets must differ"
                raise UserError(told, where=f"{name}: {', '.join(words)}", mend=mend)
            known |= new

    def tested_on(self, clips: Clips) -> bool:
        """Whether any of the clips was predicted."""
        return any(id in known for known in self.said.values() for id in clips.ids)

    def predictions(self, clips: Clips) -> dict[int, Floats]:
        """Seed to predictions of the clips, in their order.

        Raises:
            UserError: Some are missing.
        """
        for seed, known in self.said.items():
            if missing := [id for id in clips.ids if id not in known]:
                told = f"seed {seed} was not tested on {len(missing)} of {len(clips.ids)} clips, first {missing[0]}"
                mend = f"run `python train.py test` on them; {clips.path} lists them"
                raise UserError(told, where=self.name, mend=mend)
        return {seed: np.array([known[id] for id in clips.ids]) for seed, known in self.said.items()}


def read_clips(path: Path, seed: int = 0) -> Clips:
    """Clips of a label file: those of its split test, or all where it names no split.

    Args:
        path: CSV ``filename,score[,group][,split]``.
        seed: Seed of the draws.

    Raises:
        UserError: The file cannot be read, or shows a single content.
    """
    from metrics.bootstrap import ContentBootstrap

    rows = read_labels(path, allow_missing_scores=True)
    rows = [row for row in rows if row.split == "test"] or rows
    if unscored := [row.id for row in rows if row.score is None]:
        told = f"{len(unscored)} of {len(rows)} clips have no score, first {unscored[0]}"
        raise UserError(told, where=str(path), mend="score them, or leave them out")
    contents = [row.content for row in rows]
    if len(set(contents)) < 2:
        told = "shows a single content, of which nothing can be drawn"
        raise UserError(told, where=str(path), mend="label more contents")
    draws = ContentBootstrap([row.score or 0.0 for row in rows], contents, draws=DRAWS, seed=seed)
    return Clips(path, tuple(row.id for row in rows), len(set(contents)), draws)


def judge(parts: Sequence[tuple[System, Clips]]) -> dict[str, Score]:
    """Figures of systems on their clips, and the mean over all pairs of the two; each pair has contents of its own."""
    wholes: dict[str, list[dict[int, float]]] = {name: [] for name in FIGURES}
    drawn: dict[str, list[Floats]] = {name: [] for name in FIGURES}
    for system, clips in parts:
        said = system.predictions(clips)
        scores = {seed: clips.draws.whole(each) for seed, each in said.items()}
        draws = [clips.draws.scores(each) for each in said.values()]
        for name in FIGURES:
            wholes[name].append({seed: whole[name] for seed, whole in scores.items()})
            drawn[name].append(np.mean([each[name] for each in draws], axis=0))
    found = {}
    for name in FIGURES:
        seeds = sorted(set.intersection(*(set(each) for each in wholes[name])))
        by_seed = {seed: float(np.mean([each[seed] for each in wholes[name]])) for seed in seeds}
        value = float(np.mean([np.mean(list(each.values())) for each in wholes[name]]))
        found[name] = Score(value, by_seed, np.mean(drawn[name], axis=0))
    return found


def gap(ours: Score, theirs: Score) -> Gap:
    """Ours less theirs; both on the same clips."""
    from metrics.bootstrap import interval, two_sided

    drawn = ours.drawn - theirs.drawn
    return Gap(ours.value - theirs.value, interval(drawn), two_sided(drawn))


def corrected(gaps: Sequence[Gap]) -> list[float]:
    """P values corrected for their number."""
    return holm([each.p for each in gaps])
