"""Bootstrap by content: how far a score may be off because other contents could have been chosen.

Versions of one upload are alike, so files are not independent draws; whole contents are drawn with replacement. Draws
are kept as the number of times each content came up. Ranks, means and products of a drawn set follow from the sorted
rows and these numbers, so no set is ever built or sorted, and every draw equals the score of the built one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.challenge import final_no_rank, final_score
from metrics.rank_pairs import correct

Floats = NDArray[np.float64]
Interval = tuple[float, float]

SCORES = ("srocc", "plcc", "rank_nonsource", "rank_source", "final", "final_no_rank")


class ContentBootstrap:
    """Draws of contents of one labelled set, which every prediction of that set is judged on.

    Two models judged on the same draws can be compared draw by draw: see :func:`difference`.

    Args:
        target: (n,) finite labels.
        content: (n,) names of what each file shows.
        pairs: For ``nonsource`` and ``source`` each, (pairs, 3) integers: index of the first file, of the second, and
            1 if the first is better, else 2. None without pairs. A pair of two contents comes up as often as the
            product of their numbers, a pair within a content as often as the content.
        draws: Number of draws.
        seed: Seed of the draws.
    """

    def __init__(
        self,
        target: ArrayLike,
        content: Sequence[str],
        pairs: tuple[ArrayLike, ArrayLike] | None = None,
        draws: int = 2000,
        seed: int = 0,
    ) -> None:
        self.target = np.asarray(target, np.float64)
        self.codes = np.unique(np.asarray(content), return_inverse=True)[1]
        if len(self.codes) != len(self.target):
            raise ValueError(f"{len(self.codes)} contents for {len(self.target)} targets")
        self.pairs = None if pairs is None else tuple(np.asarray(kind, np.int64).reshape(-1, 3) for kind in pairs)
        self.contents = int(self.codes.max()) + 1 if len(self.codes) else 0
        chance = np.full(self.contents, 1 / max(self.contents, 1))
        generator = np.random.default_rng(seed)
        self.counts: Floats = generator.multinomial(self.contents, chance, size=draws).astype(np.float64)

    def scores(self, prediction: ArrayLike) -> dict[str, Floats]:
        """Scores of each draw.

        Args:
            prediction: (n,) finite predictions.

        Returns:
            ``srocc, plcc, rank_nonsource, rank_source, final, final_no_rank``, (draws,) each; nan where a draw gives
            none, as of a draw of equal labels.
        """
        p = np.asarray(prediction, np.float64)
        if p.shape != self.target.shape:
            raise ValueError(f"predictions of shape {p.shape} for {len(self.target)} targets")
        # In blocks, so that a set of 7000 rows needs some 50 MB, not a gigabyte.
        size = max(1, 2_000_000 // max(len(p), 1))
        blocks = [self._block(p, self.counts[start : start + size]) for start in range(0, len(self.counts), size)]
        return {name: np.concatenate([block[name] for block in blocks]) for name in SCORES}

    def whole(self, prediction: ArrayLike) -> dict[str, float]:
        """Scores of the set itself, every content once; names as :meth:`scores`."""
        block = self._block(np.asarray(prediction, np.float64), np.ones((1, self.contents)))
        return {name: float(values[0]) for name, values in block.items()}

    def _block(self, p: Floats, counts: Floats) -> dict[str, Floats]:
        weight = counts[:, self.codes]
        rho = _weighted_plcc(_drawn_ranks(p, weight), _drawn_ranks(self.target, weight), weight)
        linear = _weighted_plcc(p[None], self.target[None], weight)
        ranks = [np.full(len(counts), np.nan)] * 2
        if self.pairs is not None:
            ranks = [
                self._accuracy(p, counts, pairs, within)
                for pairs, within in zip(self.pairs, (False, True), strict=True)
            ]
        values = (rho, linear, *ranks, final_score(rho, linear, *ranks), final_no_rank(rho, linear))  # type: ignore[arg-type]
        return dict(zip(SCORES, values, strict=True))  # type: ignore[arg-type]

    def _accuracy(self, p: Floats, counts: Floats, pairs: NDArray[np.int64], within: bool) -> Floats:
        credit = correct(p[pairs[:, 0]], p[pairs[:, 1]], pairs[:, 2])
        first, second = self.codes[pairs[:, 0]], self.codes[pairs[:, 1]]
        weight = counts[:, first] * (1 if within else counts[:, second])
        with np.errstate(invalid="ignore", divide="ignore"):
            return (weight @ credit) / weight.sum(1)


def interval(draws: ArrayLike, level: float = 0.95) -> Interval | None:
    """Percentile interval of a score over the draws of a bootstrap.

    Args:
        draws: (draws,) values; nan ones are left out.
        level: Share of draws inside.

    Returns:
        Lower and upper end, or None where fewer than half of the draws have a value.
    """
    values = np.asarray(draws, np.float64)
    known = values[np.isfinite(values)]
    if len(known) < 2 or len(known) < len(values) / 2:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def two_sided(draws: ArrayLike) -> float:
    """Twice the smaller share of draws at or beyond no change, 1 over their number at least; 1 where none has a value.

    >>> two_sided([-1.0, 1.0, 2.0, 3.0])
    0.5
    """
    values = np.asarray(draws, np.float64)
    known = values[np.isfinite(values)]
    if not len(known):
        return 1.0
    return min(1.0, max(2 * float(min(np.mean(known <= 0), np.mean(known >= 0))), 1 / len(known)))


def difference(
    bootstrap: ContentBootstrap, first: ArrayLike, second: ArrayLike, score: str = "final"
) -> tuple[Interval | None, float]:
    """Paired comparison of two predictions of one set.

    Args:
        bootstrap: Draws of the set.
        first: (n,) predictions of one model.
        second: (n,) predictions of the other.
        score: One of ``SCORES``.

    Returns:
        The 95 % interval of the score of ``first`` minus that of ``second`` (None where not computable), and the
        share of draws in which ``first`` is ahead, equal ones counting a half.
    """
    gap = bootstrap.scores(first)[score] - bootstrap.scores(second)[score]
    known = gap[np.isfinite(gap)]
    ahead = float(np.mean((known > 0) + 0.5 * (known == 0))) if len(known) else np.nan
    return interval(gap), ahead


def _drawn_ranks(values: Floats, weight: Floats) -> Floats:
    """Mean rank of each row in each drawn set, (draws, n), where row i stands ``weight[:, i]`` times in the set."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    tied = np.add.reduceat(weight[:, order], starts, axis=1)
    middle = np.cumsum(tied, axis=1) - (tied - 1) / 2
    ranks = np.empty_like(weight)
    ranks[:, order] = np.repeat(middle, np.diff(np.r_[starts, len(values)]), axis=1)
    return ranks


def _weighted_plcc(x: Floats, y: Floats, weight: Floats) -> Floats:
    """Pearson's correlation in each drawn set, (draws,); ``x`` and ``y`` are (draws or 1, n)."""
    total = weight.sum(1, keepdims=True)
    x, y = (values - np.sum(weight * values, 1, keepdims=True) / total for values in (x, y))
    covariance, var_x, var_y = (np.sum(weight * product, 1) for product in (x * y, x * x, y * y))
    # A drawn set of equal values has rounding noise for a variance.
    tiny = 1e-24 * np.maximum(total[:, 0], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = covariance / np.sqrt(var_x * var_y)
    return np.where((var_x <= tiny) | (var_y <= tiny), np.nan, rho)
