"""Accuracy on rank pairs: how often a model prefers the file that people prefer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

TiePolicy = Literal["official", "half"]


class RankAccuracy(NamedTuple):
    """Result on a set of pairs.

    Attributes:
        accuracy: Share of pairs in people's order, 0 to 1; nan without pairs.
        n: Number of pairs.
        ties: Pairs whose two predictions are equal.
    """

    accuracy: float
    n: int
    ties: int


class ProxyPairs(NamedTuple):
    """Pairs made from labels: indices and ranks, (pairs, 3) int64 each of first, second, rank."""

    nonsource: NDArray[np.int64]
    source: NDArray[np.int64]


def rank_accuracy(
    pairs: Iterable[tuple[str, str, int]], scores: Mapping[str, float], tie_policy: TiePolicy = "official"
) -> RankAccuracy:
    """Accuracy on named pairs by the challenge's rule: the predicted rank is 1 if ``first >= second``, else 2.

    Args:
        pairs: First name, second name, and 1 if the first is better, else 2.
        scores: Finite prediction of each name.
        tie_policy: ``official``: equal predictions say rank 1, so a constant model earns the share of rank-1 pairs;
            ``half``: each is worth a half.

    Raises:
        ValueError: A pair names a file without a score, or one whose score is not finite.

    >>> rank_accuracy([("a", "b", 1), ("b", "c", 1), ("c", "a", 2)], {"a": 3.0, "b": 1.0, "c": 1.0})
    RankAccuracy(accuracy=1.0, n=3, ties=1)
    """
    pairs = list(pairs)
    names = dict.fromkeys(name for first, second, _ in pairs for name in (first, second))
    for fault, faulty in (
        ("no prediction", [name for name in names if name not in scores]),
        ("a prediction that is not finite", [name for name in names if not np.isfinite(scores.get(name, 0.0))]),
    ):
        if faulty:
            raise ValueError(f"{len(faulty)} files of the pairs have {fault}: {listing(faulty)}")
    first = [scores[name] for name, _, _ in pairs]
    second = [scores[name] for _, name, _ in pairs]
    return accuracy_of(first, second, [rank for _, _, rank in pairs], tie_policy)


def accuracy_of(
    first: ArrayLike, second: ArrayLike, rank: ArrayLike, tie_policy: TiePolicy = "official"
) -> RankAccuracy:
    """Accuracy on pairs of predictions, (pairs,) each; see :func:`rank_accuracy`."""
    won = correct(first, second, rank, tie_policy)
    ties = int(np.sum(np.asarray(first) == np.asarray(second)))
    return RankAccuracy(float(won.mean()) if won.size else np.nan, won.size, ties)


def correct(
    first: ArrayLike, second: ArrayLike, rank: ArrayLike, tie_policy: TiePolicy = "official"
) -> NDArray[np.float64]:
    """Credit of each pair, (pairs,): 1 in people's order, 0 against it; see :func:`rank_accuracy` on ties."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    credit = (np.where(a >= b, 1, 2) == np.asarray(rank)).astype(np.float64)
    return np.where(a == b, 0.5, credit) if tie_policy == "half" else credit


def proxy_pairs(target: ArrayLike, content: Sequence[str]) -> ProxyPairs:
    """Pairs made from labels, where the official ones are not at hand.

    Two versions of one content whose labels are 0.25 or more apart, and two contents whose labels are 0.05 to 0.25
    apart: about as easy and as hard as those of KVQ, on its scale of 1 to 5. Accuracy on them is a proxy, and is to
    be called one.

    Args:
        target: (n,) labels on a scale of 1 to 5, finite.
        content: What each file shows.

    >>> proxy_pairs([3.0, 2.5, 2.9], ["a", "a", "b"]).nonsource.tolist()
    [[0, 2, 1]]
    """
    y = np.asarray(target, np.float64)
    codes = np.unique(np.asarray(content), return_inverse=True)[1]
    found: dict[bool, list[NDArray[np.int64]]] = {True: [], False: []}
    # Row by row: a full matrix of differences would take 400 MB for the 7186 rows of LSVQ.
    for i in range(len(y) - 1):
        # 3.25 - 3.0 and its like must not fall out by the last bit.
        gap, same = np.round(np.abs(y[i] - y[i + 1 :]), 9), codes[i] == codes[i + 1 :]
        for source, wanted in ((True, same & (gap >= 0.25)), (False, ~same & (gap >= 0.05) & (gap <= 0.25))):
            j = np.flatnonzero(wanted) + i + 1
            found[source].append(np.stack((np.full(len(j), i), j, np.where(y[i] > y[j], 1, 2)), axis=1))
    empty = np.zeros((0, 3), np.int64)
    return ProxyPairs(*(np.concatenate([empty, *found[source]]) for source in (False, True)))


def listing(names: Sequence[str], shown: int = 10) -> str:
    """The first names, and how many more there are.

    >>> listing(["a", "b", "c"], shown=2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
