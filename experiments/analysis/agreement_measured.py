"""Metrics of every voted picture, from folders of pictures or from tables that `score kwaisr --csv` wrote."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.rank_pairs import listing
from metrics.sr.kwai_score import TERMS
from metrics.sr.registry import DEFAULT, METRICS, Sources
from metrics.sr.scene_statistics import STATISTICS, scene_statistics
from records.errors import UserError
from records.limits import check_size
from records.votes import Vote

# By metric, of system and picture id.
Values = dict[str, dict[tuple[str, str], float]]
NAMES = (*DEFAULT, "l1")
OFFICIAL = "official"


class Measured(NamedTuple):
    """Figures of pictures.

    Attributes:
        values: By metric, of system and picture id.
        groups: Photograph of each picture.
        missing: Why metrics could not be had.
    """

    values: Values
    groups: dict[str, str]
    missing: list[str]


class Metric(NamedTuple):
    """One figure of all voted pictures.

    Attributes:
        name: Key.
        title: Name in tables.
        compares: Whether it compares with an original.
        table: (images, systems), more being better.
        lower: Whether less was better before.
    """

    name: str
    title: str
    compares: bool
    table: NDArray[np.float64]
    lower: bool


def measure(
    folders: Mapping[str, Path], truths: Sequence[Path], weights: Mapping[str, Path], niqe: Path | None
) -> Measured:
    """Score the pictures of every system, wild ones by metrics without reference alone.

    Raises:
        UserError: Pictures are missing, unreadable or of another size.
    """
    from experiments.score_kwaisr.folders import files_of, match, read
    from experiments.score_kwaisr.niqe_model import load_model
    from experiments.score_kwaisr.scoring import build_all, learned_distances

    model = load_model(niqe)[0] if niqe else None
    metrics = build_all(NAMES, Sources(niqe=model, weights=weights, distances=learned_distances()))
    wanted = {key: file for truth in truths for key, file in files_of(truth).items()}
    found = Measured({}, {}, list(metrics.missing.values()))
    for system, folder in folders.items():
        for item in match(folder, wanted, {}, truths[0], 1):
            picture = read(item.file)
            original = read(item.truth) if item.truth and item.domain == "synthetic" else None
            figures = scene_statistics(picture)
            for scorer in metrics.scorers:
                if original is not None or not scorer.metric.needs_ref:
                    try:
                        figures[scorer.metric.name] = scorer.score(picture, original)
                    except (ValueError, RuntimeError) as error:
                        mend = "leave the picture out, or give larger ones"
                        raise UserError(" ".join(str(error).split()), where=str(item.file), mend=mend) from None
            for name, value in figures.items():
                found.values.setdefault(name, {})[system, item.id] = value
            found.groups[item.id] = item.group
    return found


def read_tables(files: Iterable[str]) -> Measured:
    """Tables of `score kwaisr --csv`; ``NAME=FILE`` names the system that is called submission there.

    Raises:
        UserError: A file is no such table.
    """
    found = Measured({}, {}, [])
    mend = "give a table of `score kwaisr --csv`"
    for word in files:
        name, sign, rest = word.partition("=")
        path, called = (Path(rest), name) if sign else (Path(word), "submission")
        try:
            check_size(path, "TEXT_BYTES")
            with open(path, encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"cannot be read ({type(error).__name__})", where=str(path), mend=mend) from None
        if not rows or not {"system", "id", "group"} <= rows[0].keys():
            raise UserError("has no columns system, id, group", where=str(path), mend=mend)
        for row in rows:
            system = called if row["system"] == "submission" else row["system"]
            found.groups[row["id"]] = row["group"] or row["id"]
            for metric in METRICS:
                if (text := row.get(metric)) and (value := _number(text)) is not None:
                    found.values.setdefault(metric, {})[system, row["id"]] = value
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def named_alike(votes: Sequence[Vote], measured: Measured) -> list[Vote]:
    """Votes with their images named as the pictures are: by the whole id, else by a base name that is there once.

    Raises:
        UserError: An image or a system of the votes has no figures.
    """
    stems: dict[str, list[str]] = {}
    for id in measured.groups:
        stems.setdefault(id.rpartition("/")[2], []).append(id)
    names = {}
    for image in dict.fromkeys(vote.image for vote in votes):
        fits = [image] if image in measured.groups else stems.get(image.rpartition("/")[2], [])
        if len(fits) == 1:
            names[image] = fits[0]
    mend = "give the folders or tables of what was voted on"
    if lost := sorted({vote.image for vote in votes} - names.keys()):
        raise UserError(f"voted images without figures: {listing(lost)}", where="--votes", mend=mend)
    known = {system for by in measured.values.values() for system, _ in by}
    if lost := sorted({name for vote in votes for name in (vote.system_a, vote.system_b)} - known):
        raise UserError(f"voted systems without figures: {listing(lost)}", where="--votes", mend=mend)
    return [Vote(vote.rater, names[vote.image], vote.system_a, vote.system_b, vote.winner) for vote in votes]


def metrics_of(values: Values, images: Sequence[str], systems: Sequence[str]) -> tuple[list[Metric], list[str]]:
    """Metrics that every picture has, the challenge's weighted sum of their terms last; names of those left out."""
    kept, left = [], []
    for name, by in values.items():
        rows = [[by.get((system, image), math.nan) for system in systems] for image in images]
        table = np.array(rows, np.float64)
        if not np.isfinite(table).all():
            left.append(name)
            continue
        sign, compares, title = _nature(name)
        kept.append(Metric(name, title, compares, sign * table, sign < 0))
    terms = [each for each in kept if each.name in TERMS]
    if terms:
        total = np.sum([abs(TERMS[each.name]) * each.table for each in terms], axis=0)
        whole = "" if len(terms) == len(TERMS) else f" ({', '.join(each.name for each in terms)} alone)"
        kept.append(Metric(OFFICIAL, f"official weights{whole}", any(each.compares for each in terms), total, False))
    return kept, left


def _nature(name: str) -> tuple[int, bool, str]:
    """1 where more is better and -1 where less is, whether it compares, and its title."""
    if name in STATISTICS:
        return STATISTICS[name], False, name.replace("_", " ")
    told: Any = METRICS[name]
    return (1 if told.direction == "higher" else -1), told.needs_ref, told.title
