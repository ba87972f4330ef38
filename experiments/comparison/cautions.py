"""What has to be known before the figures of a comparison are read."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.comparison.runs import Run
from experiments.comparison.statistics import ENOUGH_SEEDS

if TYPE_CHECKING:
    from experiments.comparison.table import Row


def cautions(groups: Mapping[str, Sequence[Run]], split: str, baseline: str, rows: Sequence["Row"]) -> list[str]:
    """Sentences, the gravest first; none where all is well.

    Args:
        groups: Runs of each variant.
        split: Split that is compared.
        baseline: Variant that the others are held against.
        rows: What was compared.
    """
    every = [run for runs in groups.values() for run in runs]
    said = []
    for what, told in (
        ("split_hash", "The runs were made on different splits of the data; their scores do not compare"),
        ("score_name", "The runs are judged by different scores; they do not compare"),
    ):
        if len(values := _values(every, what)) > 1:
            said.append(f"{told} ({_listed(values)}).")
    if open_runs := [run for run in every if run.was_fitted and run.status.get("state", "unknown") != "finished"]:
        states = ", ".join(f"{_called(run)} {run.status.get('state', 'unknown')}" for run in open_runs)
        said.append(f"Not all runs are finished: {states}.")
    if missing := [run for run in every if run.score(split) is None]:
        said.append(f"Without a score on {split}, and left out: {_named(missing)}.")
    if over := [run for run in every if _is_over(run)]:
        costs = ", ".join(f"{_called(run)} {run.summary['gmacs']:.1f} GMACs" for run in over)
        said.append(f"Over the budget of their configuration: {costs}.")
    if seen := [run for run in every if run.summary.get("transductive")]:
        said.append(f"Trained on labels that came from what they are judged on: {_named(seen)}.")
    if stand_ins := [run for run in every if run.summary.get("stand_ins")]:
        said.append(f"With stand-ins in place of published parts: {_named(stand_ins)}.")
    commits = _values(every, "git", lambda git: git.get("commit", "")[:12] if isinstance(git, dict) else str(git))
    if len(commits) > 1:
        said.append(f"The runs were made by different commits ({_listed(commits)}).")
    if dirty := [run for run in every if isinstance(git := run.summary.get("git"), dict) and git.get("dirty")]:
        said.append(f"Made by a checkout with changes that no commit holds: {_named(dirty)}.")
    for name, runs in groups.items():
        keys = sorted(
            key
            for key in {key for run in runs for key in run.config}
            if len({repr(run.config.get(key)) for run in runs}) > 1
        )
        if keys:
            said.append(f"The runs of {name} differ in more than their seed: {', '.join(keys[:5])}.")
    if few := [f"{row.name} ({row.score.n})" for row in rows if row.score and row.score.n < ENOUGH_SEEDS]:
        said.append(f"Too few seeds to say how far a seed moves the score: {', '.join(few)}.")
    if apart := [row.name for row in rows if row.name != baseline and row.contents is None and row.score]:
        told = f"Not judged on the same files as {baseline}, or on a single content, so without a paired test"
        said.append(f"{told}: {', '.join(apart)}.")
    return said


def _values(runs: Sequence[Run], key: str, plain: Callable[[Any], str] = str) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        if run.summary.get(key) is not None:
            found.setdefault(plain(run.summary[key]), []).append(run)
    return found


def _listed(values: Mapping[str, Sequence[Run]]) -> str:
    return "; ".join(f"{value}: {_named(runs)}" for value, runs in values.items())


def _named(runs: Sequence[Run]) -> str:
    """Runs by variant: its name alone for several seeds."""
    counts: dict[str, list[Run]] = {}
    for run in runs:
        counts.setdefault(run.name, []).append(run)
    return ", ".join(
        _called(each[0]) if len(each) == 1 else f"{name} ({len(each)} runs)" for name, each in counts.items()
    )


def _called(run: Run) -> str:
    return f"{run.name}-seed{run.seed}"


def _is_over(run: Run) -> bool:
    limit, cost = run.config.get("budget.max_gmacs"), run.summary.get("gmacs")
    return isinstance(limit, int | float) and isinstance(cost, int | float) and cost > limit
