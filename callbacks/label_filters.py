"""Which pseudo-labels are not worth learning from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from records.hashing import seed_of


@dataclass
class LabelFilters:
    """Filters on the labels of a pool, one after the other in the order of the arguments.

    Args:
        copies: Of clips that look alike, keep the first; versions of one content are all kept.
        spread_percentile: Drop labels that the teacher's members agree on less than on this share of the others,
            0..100; 100 keeps all. Passed over with one member, whose spread is unknown.
        max_share: Most labels in one of ``bins`` equal ranges of score, as a share of all that come this far, 0..1;
            which ones stay is drawn by id; 1 keeps all.
        bins: Ranges between the lowest and the highest score.
    """

    copies: bool = True
    spread_percentile: float = 95.0
    max_share: float = 0.25
    bins: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.spread_percentile <= 100:
            raise ValueError(f"spread_percentile must be above 0 and at most 100, not {self.spread_percentile}")
        if not 0 < self.max_share <= 1:
            raise ValueError(f"max_share must be above 0 and at most 1, not {self.max_share}")
        if self.bins < 1:
            raise ValueError(f"bins must be at least 1, not {self.bins}")

    def apply(
        self, ids: Sequence[str], scores: np.ndarray, spreads: np.ndarray, copies: Mapping[str, str]
    ) -> dict[str, np.ndarray]:
        """Which labels to drop.

        Args:
            ids: n ids.
            scores: (n,) float; those that are not finite are dropped.
            spreads: (n,) float, nan where unknown.
            copies: Id of a clip to the id of an earlier one that it looks like.

        Returns:
            Reason to the places (k,) it drops; a place stands at one reason only.
        """
        left = np.isfinite(scores)
        dropped = {"not finite": np.flatnonzero(~left)}

        def drop(reason: str, places: np.ndarray) -> None:
            dropped[reason] = places
            left[places] = False

        if self.copies:
            alike = np.fromiter((id in copies for id in ids), bool, len(ids))
            drop("copy", np.flatnonzero(left & alike))
        known = left & np.isfinite(spreads)
        if known.any():
            limit = np.percentile(spreads[known], self.spread_percentile)
            drop("spread", np.flatnonzero(known & (spreads > limit)))
        if left.any():
            drop("balance", self._crowded(ids, scores, np.flatnonzero(left)))
        return dropped

    def _crowded(self, ids: Sequence[str], scores: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Places beyond the most that one range of score may hold."""
        some = scores[places]
        edges = np.linspace(some.min(), some.max(), self.bins + 1)[1:-1]
        ranges = np.digitize(some, edges)
        most = max(1, int(self.max_share * len(places)))
        beyond = []
        for number in range(self.bins):
            inside = places[ranges == number]
            if len(inside) > most:
                draws = np.fromiter((seed_of("balance", ids[place]) for place in inside), np.int64, len(inside))
                beyond.append(inside[np.argsort(draws, kind="stable")[most:]])
        return np.sort(np.concatenate(beyond)) if beyond else places[:0]
