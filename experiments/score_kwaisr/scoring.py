"""Metrics of every picture, and the ones that cannot be had."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.score_kwaisr.folders import Item, read
from metrics.sr.registry import MetricUnavailable, Picture, Scorer, Sources, build
from records.errors import UserError

# By the name of a metric, its value by the id of a picture.
Values = dict[str, dict[str, float]]


class Metrics(NamedTuple):
    """What was built of the metrics asked for.

    Attributes:
        scorers: Those that can be computed.
        missing: Name of each that cannot, and why, with the ways out.
    """

    scorers: list[Scorer]
    missing: dict[str, str]


def build_all(names: Sequence[str], sources: Sources) -> Metrics:
    """Build the metrics asked for.

    Raises:
        UserError: A name is of no metric.
    """
    scorers, missing = [], {}
    for name in dict.fromkeys(names):
        try:
            scorers.append(build(name, sources))
        except MetricUnavailable as error:
            missing[name] = str(error)
        except ValueError as error:
            what, _, mend = str(error).rpartition("; ")
            raise UserError(what, where="--metrics", mend=mend) from None
    return Metrics(scorers, missing)


def score_items(items: Iterable[Item], scorers: Sequence[Scorer]) -> Values:
    """Score the saved files, each read once.

    Raises:
        UserError: A picture is too small for a metric.
    """
    values: Values = {scorer.metric.name: {} for scorer in scorers}
    for item in items:
        wanted = [scorer for scorer in scorers if _looks_at(scorer, item)]
        if not wanted:
            continue
        picture = read(item.file)
        compared = any(scorer.metric.needs_ref for scorer in wanted)
        original = read(item.truth) if compared and item.truth else None
        for scorer in wanted:
            name = scorer.metric.name
            try:
                values[name][item.id] = scorer.score(picture, original if scorer.metric.needs_ref else None)
            except (ValueError, RuntimeError) as error:
                mend = f"leave {name} out by --metrics"
                raise UserError(" ".join(str(error).split()), where=str(item.file), mend=mend) from None
    return values


def learned_distances() -> Mapping[str, Callable[[Path | None], Callable[[Picture, Picture | None], float]]]:
    """Builders of the distances that stand among the losses, by name."""

    def lpips(path: Path | None) -> Callable[[Picture, Picture | None], float]:
        from losses.perceptual import LPIPS

        return _as_score(LPIPS("alex", str(path)))

    def st_lpips(path: Path | None) -> Callable[[Picture, Picture | None], float]:
        from losses.perceptual import STLPIPS

        return _as_score(STLPIPS(str(path)) if path else STLPIPS())

    return {"lpips": lpips, "st_lpips": st_lpips}


def _as_score(distance: Callable) -> Callable[[Picture, Picture | None], float]:
    import torch

    from records.images import to_tensor

    def score(sr: Picture, hr: Picture | None) -> float:
        if hr is None:
            raise ValueError("there is no original to compare with")
        with torch.no_grad():
            return float(distance(to_tensor(sr)[None], to_tensor(hr)[None]))

    return score


def _looks_at(scorer: Scorer, item: Item) -> bool:
    metric = scorer.metric
    return metric.split in ("all", item.domain) and (item.truth is not None or not metric.needs_ref)


def mean(values: Iterable[float]) -> float | None:
    """Mean over pictures; None without any."""
    numbers = list(values)
    return float(np.mean(numbers)) if numbers else None
