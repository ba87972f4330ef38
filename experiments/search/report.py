"""What a sweep found: ranking, importance of parameters, front of compromises; as table, Markdown, CSV and pictures."""

import csv
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.search.engine import OVER_BUDGET, REASON, VALUES, VARIANT, counted
from experiments.search.sweep_file import SweepFile, as_word
from experiments.search.trial import find_folder
from records.files import atomic_path, write_text

if TYPE_CHECKING:
    import optuna

HEAD = ("rank", "trial", "state", "minutes", "run")


@dataclass(frozen=True)
class Row:
    """One trial.

    Args:
        rank: Place, from 1; with several objectives 1 for every trial of the front; None for one without values.
        number: Number of the trial.
        state: ``complete``, ``pruned``, ``over budget``, ``failed`` or ``running``.
        values: Final values of the objectives.
        parameters: Values that it was started with.
        minutes: How long it took.
        run: Its run folder, relative to the root of runs.
        why: Why it has no values.
    """

    rank: int | None
    number: int
    state: str
    values: tuple[float, ...]
    parameters: dict[str, Any]
    minutes: float | None
    run: str
    why: str


def ranking(sweep: SweepFile, study: "optuna.Study", root: Path) -> list[Row]:
    """All trials, the best first; what has no values comes last."""
    from optuna.trial import TrialState

    trials = counted(study)
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if len(sweep.objectives) == 1:
        sign = -1 if sweep.objectives[0].goal == "maximize" else 1
        done.sort(key=lambda trial: (sign * trial.values[0], trial.number))
        places = {trial.number: place for place, trial in enumerate(done, 1)}
    else:
        front = {trial.number for trial in study.best_trials}
        done.sort(key=lambda trial: (trial.number not in front, *trial.values))
        places = {number: 1 for number in front}
    others = [trial for trial in trials if trial.state != TrialState.COMPLETE]
    others.sort(key=lambda trial: (trial.state.name != "PRUNED", trial.number))
    return [_row(trial, places.get(trial.number), root) for trial in [*done, *others]]


def _row(trial: Any, rank: int | None, root: Path) -> Row:
    why = str(trial.user_attrs.get(REASON, ""))
    state = {"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower())
    if why.startswith(OVER_BUDGET):
        state = OVER_BUDGET
    folder = find_folder(root, str(trial.user_attrs.get(VARIANT)))
    seconds = trial.duration.total_seconds() if trial.duration else None
    return Row(
        rank=rank,
        number=trial.number,
        state=state,
        values=tuple(trial.values or ()),
        parameters=dict(trial.user_attrs.get(VALUES, trial.params)),
        minutes=None if seconds is None else seconds / 60,
        run=folder.relative_to(root).as_posix() if folder else "",
        why=why,
    )


def write_report(sweep: SweepFile, study: "optuna.Study", rows: list[Row], folder: Path) -> list[Path]:
    """Write ``trials.csv``, ``report.md`` and what pictures can be drawn of the trials.

    Returns:
        The files.
    """
    searched = [name for name in sweep.parameters if "value" not in sweep.parameters[name]]
    names = [each.name for each in sweep.objectives]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*HEAD[:3], *names, *searched, *HEAD[3:], "why"])
    for row in rows:
        values = row.values or ("",) * len(names)
        given = [as_word(row.parameters[name]) if name in row.parameters else "" for name in searched]
        minutes = "" if row.minutes is None else round(row.minutes, 2)
        table.writerow([row.rank or "", row.number, row.state, *values, *given, minutes, row.run, row.why])
    write_text(folder / "trials.csv", text.getvalue())
    pictures = _pictures(study, len(names), folder)
    write_text(folder / "report.md", _markdown(sweep, rows, searched, pictures, importance(study, len(names))))
    return [folder / "report.md", folder / "trials.csv", *pictures]


def importance(study: "optuna.Study", objectives: int) -> list[tuple[str, list[float]]]:
    """Share of each parameter in how the objectives vary over finished trials (PED-ANOVA); empty for too few."""
    import optuna

    found: dict[str, list[float]] = {}
    for place in range(objectives):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shares = optuna.importance.get_param_importances(
                    study,
                    evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
                    target=_target(place) if objectives > 1 else None,
                )
        except (ValueError, RuntimeError):
            return []  # fewer than two finished trials, or values that do not differ
        for name, share in shares.items():
            found.setdefault(name, [0.0] * objectives)[place] = float(share)
    return sorted(found.items(), key=lambda item: -max(item[1]))


def _target(place: int) -> Callable[[Any], float]:
    return lambda trial: trial.values[place]


def _pictures(study: "optuna.Study", objectives: int, folder: Path) -> list[Path]:
    """Draw by Optuna; without matplotlib, or with too few trials, there are fewer pictures."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        return []
    import matplotlib
    import optuna

    matplotlib.use("Agg")
    from optuna.visualization import matplotlib as draw

    shares = importance(study, objectives)
    wanted: dict[str, Callable[[], Any]] = {}
    if objectives == 1:
        wanted["history"] = lambda: draw.plot_optimization_history(study)
        wanted["slice"] = lambda: draw.plot_slice(study)
    if objectives in (2, 3):
        wanted["pareto"] = lambda: draw.plot_pareto_front(study)
    if shares and objectives == 1:
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        wanted["importance"] = lambda: draw.plot_param_importances(study, evaluator=evaluator)
    made = []
    for name, drawn in wanted.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                figure = _figure(drawn())
                figure.set_size_inches(9, 5)
                path = folder / f"{name}.png"
                with atomic_path(path) as file:
                    figure.savefig(file, dpi=110, bbox_inches="tight", format="png")
        except (ValueError, RuntimeError):
            continue  # Optuna has too few trials to draw
        finally:
            matplotlib.pyplot.close("all")
        made.append(path)
    return made


def _figure(axes: Any) -> Any:
    first = axes.flat[0] if hasattr(axes, "flat") else axes
    return first.figure


def _markdown(
    sweep: SweepFile, rows: list[Row], searched: list[str], pictures: list[Path], shares: list[tuple[str, list[float]]]
) -> str:
    names = [each.name for each in sweep.objectives]
    goals = ", ".join(f"{each.name} ({each.goal})" for each in sweep.objectives)
    states: dict[str, int] = {}
    for row in rows:
        states[row.state] = states.get(row.state, 0) + 1
    short = {name: _short(name, searched) for name in searched}
    lines = [
        f"# Sweep {sweep.name}",
        "",
        f"{sweep.method} over {len(searched)} parameters, for {goals}: "
        + ", ".join(f"{count} {state}" for state, count in states.items()),
        "",
        "| " + " | ".join(["rank", "trial", *names, *short.values(), "minutes", "run"]) + " |",
        "|" + "---|" * (4 + len(names) + len(short)),
    ]
    for row in rows:
        values = [f"{value:.5g}" for value in row.values] or [row.state, *[""] * (len(names) - 1)]
        given = [as_word(row.parameters.get(name, "")) for name in searched]
        minutes = "" if row.minutes is None else f"{row.minutes:.1f}"
        lines.append(
            "| " + " | ".join([str(row.rank or ""), str(row.number), *values, *given, minutes, row.run]) + " |"
        )
    if constants := {name: told["value"] for name, told in sweep.parameters.items() if "value" in told}:
        lines += ["", "All with " + ", ".join(f"`{name}` {brief(value)}" for name, value in constants.items())]
    lines += ["", "Columns: " + ", ".join(f"{mark} = `{name}`" for name, mark in short.items()), ""]
    if shares:
        lines += [
            "| parameter | " + " | ".join(f"share in {name}" for name in names) + " |",
            "|---|" + "---|" * len(names),
        ]
        lines += [f"| `{name}` | " + " | ".join(f"{share:.2f}" for share in each) + " |" for name, each in shares]
        lines.append("")
    return "\n".join([*lines, *(f"![{path.stem}]({path.name})" for path in pictures), ""])


def brief(value: Any) -> str:
    """A value for people; the CSV has all digits."""
    return f"{value:.4g}" if isinstance(value, float) else as_word(value)


def _short(name: str, names: list[str]) -> str:
    """The last words of a dotted key that no other has."""
    parts = name.split(".")
    for count in range(1, len(parts)):
        tail = ".".join(parts[-count:])
        if sum(other == tail or other.endswith(f".{tail}") for other in names) == 1:
            return tail
    return name
