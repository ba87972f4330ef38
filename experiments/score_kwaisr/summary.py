"""Means over pictures, the challenge's score of them, and intervals over photographs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.score_kwaisr.folders import DOMAINS, Item
from experiments.score_kwaisr.scoring import Metrics, Values, mean
from metrics.bootstrap import interval
from metrics.sr.interval import GroupBootstrap
from metrics.sr.kwai_score import TERMS, kwai_score

FIELDS = ("psnr", "ssim", "lpips", "musiq", "maniqa", "clipiqa", "piqe", "niqe")


def summarise(items: Sequence[Item], values: Values) -> dict[str, Any]:
    """Scores of one system.

    Args:
        items: Its pictures.
        values: Of each metric and picture.

    Returns:
        Means by name over all pictures that a metric looks at (None where there is none, or where a PSNR is infinite);
        ``score`` where all six terms exist, else ``score_partial``; ``n`` and ``photographs`` by domain; ``domains``,
        the means by domain; ``interval``, 95 % over photographs, by name.
    """
    names = [*FIELDS, *(name for name in values if name not in FIELDS)]
    means = {name: mean(values.get(name, {}).values()) for name in names}
    total = kwai_score(means)
    scores: dict[str, Any] = {name: _finite(value) for name, value in means.items()}
    if total.missing:
        scores["score_partial"] = _finite(total.partial)
    else:
        scores["score"] = _finite(total.score)
    by_domain = {domain: [item for item in items if item.domain == domain] for domain in DOMAINS}
    scores["n"] = {domain: len(found) for domain, found in by_domain.items()}
    scores["photographs"] = {domain: len({item.group for item in found}) for domain, found in by_domain.items()}
    scores["domains"] = {
        domain: {name: _finite(mean(_of(values[name], found))) for name in values if _of(values[name], found)}
        for domain, found in by_domain.items()
    }
    scores["interval"] = _intervals(by_domain, values, "score" if not total.missing else "score_partial")
    return scores


def provenance(
    metrics: Metrics, values: Values, preset: str, convention: str, niqe: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What every results file tells of how its figures came about.

    Args:
        metrics: What was built, and what could not be.
        values: Of each metric and picture; a metric without any is missing.
        preset: Name of the convention.
        convention: In words.
        niqe: Name, patches and SHA-256 of the model; None without one.
    """
    asked = dict.fromkeys((*FIELDS, *metrics.missing, *values))
    return {
        "preset": preset,
        "convention": convention,
        "missing": [name for name in asked if not values.get(name)],
        "niqe_model": dict(niqe) if niqe else None,
        "weights_sha256": {s.metric.name: s.weights_sha256 for s in metrics.scorers if s.weights_sha256},
    }


def _intervals(by_domain: Mapping[str, Sequence[Item]], values: Values, total: str) -> dict[str, list[float] | None]:
    """Draws of the two domains are apart; a metric of all pictures takes both in the shares that they have."""
    draws: dict[str, np.ndarray] = {}
    for name, by_id in values.items():
        if not all(map(math.isfinite, by_id.values())):
            continue
        parts, sizes = [], []
        for seed, found in enumerate(by_domain.values()):
            known = [item for item in found if item.id in by_id]
            if known:
                groups = [item.group for item in known]
                parts.append(GroupBootstrap(groups, seed=seed).means([by_id[item.id] for item in known]))
                sizes.append(len(known))
        if parts and len({item.group for found in by_domain.values() for item in found if item.id in by_id}) > 1:
            draws[name] = np.average(parts, axis=0, weights=sizes)
    terms = [name for name in TERMS if values.get(name)]
    if terms and all(name in draws for name in terms):
        draws[total] = np.sum([TERMS[name] * draws[name] for name in terms], axis=0)
    found_ends = {name: interval(numbers) for name, numbers in draws.items()}
    return {name: list(ends) if ends else None for name, ends in found_ends.items()}


def _of(by_id: Mapping[str, float], items: Sequence[Item]) -> list[float]:
    return [by_id[item.id] for item in items if item.id in by_id]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
