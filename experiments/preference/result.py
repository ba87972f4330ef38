"""What the votes say of the systems, and whether the metrics say the same."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metrics.bradley_terry import intervals, strengths, win_table
from metrics.rank_agreement import rank_agreement
from metrics.sr.registry import METRICS
from records.errors import UserError
from records.files import read_json
from records.votes import TIE, Vote


def fit(votes: Sequence[Vote]) -> dict[str, Any]:
    """Strengths of the systems, strongest first, with intervals over images.

    Returns:
        ``votes, raters, images, ties`` and ``systems``, each ``{name, strength, interval, preferred, votes}``:
        ``preferred`` is the share of its comparisons that a system won, a tie counting half.
    """
    names = sorted({name for vote in votes for name in (vote.system_a, vote.system_b)})
    place = {name: index for index, name in enumerate(names)}
    points = {True: 1.0, False: 0.0}
    plain = [
        (
            place[vote.system_a],
            place[vote.system_b],
            0.5 if vote.winner == TIE else points[vote.winner == vote.system_a],
        )
        for vote in votes
    ]
    wins = win_table(plain, len(names))
    images = [vote.image for vote in votes]
    strength, reach = strengths(wins), intervals(plain, images, len(names))
    games = wins + wins.T
    several = len(set(images)) > 1
    systems = [
        {
            "name": name,
            "strength": float(strength[index]),
            "interval": [float(value) for value in reach[index]] if several else None,
            "preferred": float(wins[index].sum() / games[index].sum()),
            "votes": int(games[index].sum()),
        }
        for name, index in place.items()
    ]
    return {
        "votes": len(votes),
        "raters": len({vote.rater for vote in votes}),
        "images": len(set(images)),
        "ties": sum(vote.winner == TIE for vote in votes),
        "systems": sorted(systems, key=lambda system: -float(str(system["strength"]))),
    }


def agreements(systems: Sequence[Mapping[str, Any]], files: Mapping[str, Path]) -> list[dict[str, Any]]:
    """How each metric ranks the systems that have scores, against how people do.

    Args:
        systems: Of :func:`fit`.
        files: Results of `score kwaisr --json` by system.

    Returns:
        For each metric that two systems or more have: ``metric, n, srocc, krocc, p``; best first.

    Raises:
        UserError: A file is none of these, or of a system without votes.
    """
    strength = {str(system["name"]): float(system["strength"]) for system in systems}
    values: dict[str, dict[str, float]] = {}
    for name, file in files.items():
        if name not in strength:
            told = f"{name!r} has no votes"
            raise UserError(told, where=f"--scores {name}={file}", mend=f"voted on are {', '.join(strength)}")
        try:
            scores = read_json(file)
        except (OSError, ValueError) as error:
            mend = "give a file of `score kwaisr --json`"
            raise UserError(f"cannot be read ({type(error).__name__})", where=str(file), mend=mend) from None
        for metric, value in scores.items() if isinstance(scores, dict) else ():
            if isinstance(value, int | float) and not isinstance(value, bool) and (metric in _SIGNS):
                values.setdefault(metric, {})[name] = _SIGNS[metric] * float(value)
    found = []
    for metric, by_name in values.items():
        if len(by_name) > 1:
            agreement = rank_agreement(list(by_name.values()), [strength[name] for name in by_name])
            known = {key: value if value == value else None for key, value in agreement._asdict().items()}
            found.append({"metric": metric, **known})
    return sorted(found, key=lambda row: -(row["srocc"] or -2))


def _signs() -> dict[str, int]:
    signs = {metric.name: 1 if metric.direction == "higher" else -1 for metric in METRICS.values()}
    return {**signs, "score": 1, "score_partial": 1}


_SIGNS = _signs()


def show(result: Mapping[str, Any]) -> None:
    """Print both tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    counts = "{votes} votes of {raters} raters on {images} images, {ties} without a winner"
    table = Table("system", "strength", "95 % interval", "preferred", title=counts.format(**result))
    for system in result["systems"]:
        reach = system["interval"]
        told = f"{reach[0]:+.2f} to {reach[1]:+.2f}" if reach else "one image only"
        table.add_row(system["name"], f"{system['strength']:+.3f}", told, f"{system['preferred']:.1%}")
    console.print(table)
    if result["agreement"]:
        table = Table("metric", "SROCC", "KROCC", "n", "p", title="does the metric rank as people do?")
        for row in result["agreement"]:
            numbers = ["none" if row[key] is None else f"{row[key]:+.3f}" for key in ("srocc", "krocc")]
            table.add_row(row["metric"], *numbers, str(row["n"]), f"{row['p']:.3f}")
        console.print(table)
        console.print("With a handful of systems, p says how often an order by chance agrees as well.")
