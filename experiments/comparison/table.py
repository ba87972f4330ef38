"""What a comparison says of each variant, before it is put on a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from experiments.comparison.lineage import made_from, makers
from experiments.comparison.runs import Run
from experiments.comparison.statistics import ENOUGH_SEEDS, Change, Spread, holm, paired_contents, paired_seeds, spread
from records.errors import UserError


@dataclass(frozen=True)
class Row:
    """One variant.

    Args:
        name: ``experiment/variant``.
        runs: Its runs.
        score: Its score over seeds; None where no run has one.
        reach: Interval of the score over contents, of a variant with a single seed.
        seeds: Change against the baseline over the seeds that both have.
        contents: Change against the baseline on the same files.
        corrected: P value of that, corrected for the number of variants.
        gmacs: 10^9 multiply-accumulates a video.
        params_m: Million parameters.
        minutes: Mean minutes of training.
        figures: Mean and sample standard deviation over seeds of every figure that all runs have.
        made_from: What its first run was made from, a line each.
        differs: Keys of the configuration that are not the same in all variants, with this one's values.
    """

    name: str
    runs: Sequence[Run]
    score: Spread | None
    reach: tuple[float, float] | None
    seeds: Spread | None
    contents: Change | None
    corrected: float | None
    gmacs: float | None
    params_m: float | None
    minutes: float | None
    figures: Mapping[str, Spread]
    made_from: Sequence[str]
    differs: Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Variants beside each other.

    Args:
        split: Split that was compared.
        judged_by: Name of the score.
        more_is_better: Whether a higher score is a better one.
        baseline: Variant that the others are held against.
        rows: One a variant, the best first.
        cautions: What has to be known before the figures, a sentence each.
    """

    split: str
    judged_by: str
    more_is_better: bool
    baseline: str
    rows: Sequence[Row]
    cautions: Sequence[str]


def compare(groups: Mapping[str, Sequence[Run]], baseline: str | None, split: str | None) -> Comparison:
    """Put variants beside each other.

    Args:
        groups: Runs of each variant.
        baseline: Variant that the others are held against; by default the first.
        split: Split to compare; by default ``test`` where every run has its score, else ``val``.

    Raises:
        UserError: The baseline is not among the variants, or no run has a score.
    """
    from experiments.comparison.cautions import cautions

    names = list(groups)
    chosen = _baseline(names, baseline)
    every = [run for runs in groups.values() for run in runs]
    split = split or ("test" if all(run.score("test") is not None for run in every) else "val")
    judged = next((run for run in every if run.score(split) is not None), None)
    if judged is None:
        what = f"no run has a score on {split}"
        raise UserError(
            what, where=", ".join(names), mend=f"run `python train.py {'test' if split == 'test' else 'fit'}`"
        )
    different = _different({name: runs[0].config for name, runs in groups.items()})
    # Runs lie in <root>/<experiment>/<run>.
    known = {hash: name for root in {run.folder.parents[1] for run in every} for hash, name in makers(root).items()}
    rows = [_row(name, runs, groups[chosen], split, name == chosen, different, known) for name, runs in groups.items()]
    tested = [row for row in rows if row.contents is not None]
    fixed = dict(
        zip([row.name for row in tested], holm([row.contents.p for row in tested if row.contents]), strict=True)
    )
    rows = [replace(row, corrected=fixed.get(row.name)) for row in rows]
    sign = -1 if judged.more_is_better else 1
    rows.sort(key=lambda row: (row.score is None, sign * row.score.mean if row.score else 0.0))
    said = cautions(groups, split, chosen, rows)
    return Comparison(split, judged.judged_by, judged.more_is_better, chosen, rows, said)


def _baseline(names: list[str], asked: str | None) -> str:
    if asked is None:
        return names[0]
    fits = [name for name in names if asked in (name, name.rpartition("/")[2])]
    if len(fits) != 1:
        what = f"{'no variant' if not fits else 'more than one variant'} is called {asked}"
        raise UserError(what, where="--baseline", mend=f"give one of {', '.join(names)}")
    return fits[0]


def _different(configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Keys that are not the same in all; a run of which no configuration is known says nothing."""
    absent, configs = object(), {name: config for name, config in configs.items() if config}
    keys = sorted({key for config in configs.values() for key in config})
    return [key for key in keys if len({repr(config.get(key, absent)) for config in configs.values()}) > 1]


def _row(
    name: str,
    runs: Sequence[Run],
    base: Sequence[Run],
    split: str,
    own: bool,
    different: list[str],
    known: Mapping[str, str],
) -> Row:
    scores = [score for run in runs if (score := run.score(split)) is not None]
    told = runs[0].summary.get(split)
    reach = told.get("interval") if isinstance(told, dict) and len(scores) == 1 else None
    return Row(
        name=name,
        runs=runs,
        score=spread(scores) if scores else None,
        reach=(float(reach[0]), float(reach[1])) if reach else None,
        seeds=None if own else paired_seeds(runs, base, split),
        contents=None if own else paired_contents(runs, base, split),
        corrected=None,
        gmacs=_number(runs[0].summary.get("gmacs")),
        params_m=_number(runs[0].summary.get("params_m")),
        minutes=_minutes(runs),
        figures=_spreads([run.figures(split) for run in runs]),
        made_from=made_from(runs[0], known),
        differs={key: runs[0].config.get(key) for key in different},
    )


def _minutes(runs: Sequence[Run]) -> float | None:
    known = [value for run in runs if (value := _number(run.status.get("seconds"))) is not None]
    return sum(known) / len(known) / 60 if known else None


def _spreads(figures: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    names = sorted(set.intersection(*(set(each) for each in figures)))
    return {name: spread([each[name] for each in figures]) for name in names}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def verdict(row: Row, more_is_better: bool) -> str:
    """What the figures allow to say of a variant against the baseline, in words."""
    change = row.contents
    if change is None:
        return ""
    few = (
        ""
        if row.score and row.score.n >= ENOUGH_SEEDS
        else f"; too few seeds ({row.score.n if row.score else 0}) for more"
    )
    if row.corrected is None or row.corrected >= 0.05:
        return f"no difference shown{few}"
    ahead = (change.value > 0) is more_is_better
    return f"{'better' if ahead else 'worse'} on these contents{few}"
