"""Clips of a pool that are, or look like, clips that results are measured on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from datamodules.fingerprint import fingerprints
from datamodules.look_alike import look_alikes
from records.hashing import file_hash

Item = tuple[str, Path]
# Splits that results are measured on.
GUARDED = ("val", "test", "official_val", "official_test")


@dataclass(frozen=True)
class Leak:
    """One clip of a pool that must not be learnt from.

    Args:
        id: The pool's clip.
        guarded_id: The guarded clip that it is, or looks like.
        reason: Why, for a person.
    """

    id: str
    guarded_id: str
    reason: str


def find_leaks(
    pool: Sequence[Item], guarded: Sequence[Item], cache: Path | None = None, workers: int = 0
) -> list[Leak]:
    """Clips of a pool that are a guarded clip or look like one, in the pool's order, each once.

    Args:
        pool: Id and file of each clip that somebody wants to learn from; one that cannot be read is passed over.
        guarded: Id and file of each clip that results are measured on.
        cache: File that keeps fingerprints; see :func:`datamodules.fingerprint.fingerprints`.
        workers: Decoding processes; 0 decodes in this one.
    """
    leaks = _same_files(pool, guarded)
    rest = [place for place in range(len(pool)) if place not in leaks]
    if rest and guarded:
        paths = [pool[place][1] for place in rest] + [path for _, path in guarded]
        looks = fingerprints(paths, cache, workers)
        best: dict[int, float] = {}
        for first, second, likeness in look_alikes(looks[: len(rest)], looks[len(rest) :]):
            for place, other, how in zip(first.tolist(), second.tolist(), likeness.tolist(), strict=True):
                if how > best.get(place, 0.0):
                    best[place] = how
                    leaks[rest[place]] = Leak(pool[rest[place]][0], guarded[other][0], f"looks alike ({how:.3f})")
    return [leaks[place] for place in sorted(leaks)]


def find_copies(pool: Sequence[Item], cache: Path | None = None, workers: int = 0) -> list[tuple[str, str]]:
    """Pairs of clips of one pool that look alike, as ids, the earlier one of the pool first.

    Args:
        pool: Id and file of each clip; one that cannot be read is passed over.
        cache: As for :func:`find_leaks`.
        workers: As for :func:`find_leaks`.
    """
    looks = fingerprints([path for _, path in pool], cache, workers)
    pairs = [pair for first, second, _ in look_alikes(looks) for pair in zip(first, second, strict=True)]
    return [(pool[first][0], pool[second][0]) for first, second in sorted(pairs)]


def _same_files(pool: Sequence[Item], guarded: Sequence[Item]) -> dict[int, Leak]:
    """Leaks by place and by bytes; only files of the size of a guarded one are hashed.

    Ids do not count: those of another folder's clips may be equal by chance.
    """
    places = {path.resolve(): id for id, path in guarded}
    sizes: dict[int, list[Item]] = {}
    for id, path in guarded:
        if path.is_file():
            sizes.setdefault(path.stat().st_size, []).append((id, path))
    digest = lru_cache(None)(file_hash)
    leaks = {}
    for place, (id, path) in enumerate(pool):
        if other := places.get(path.resolve()):
            leaks[place] = Leak(id, other, "the same file")
        elif path.is_file() and path.stat().st_size:
            for twin, guarded_path in sizes.get(path.stat().st_size, ()):
                if digest(path) == digest(guarded_path):
                    leaks[place] = Leak(id, twin, "the same bytes")
                    break
    return leaks
