"""Votes as pairs of numbers: who was preferred, by how much each metric differs, and how well that foretells it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.calibration import hits, log_loss
from metrics.pair_logistic import fit_pairs
from records.votes import TIE, Vote

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class Pairs(NamedTuple):
    """Votes with a winner.

    Attributes:
        image: (n,) place of the image.
        first: (n,) place of one system.
        second: (n,) place of the other one.
        won: (n,) 1 where the first was preferred, else 0.
        groups: Photograph of each.
    """

    image: Places
    first: Places
    second: Places
    won: Floats
    groups: Sequence[str]

    def differences(self, table: Floats) -> Floats:
        """Figure of the first system less that of the second, (n,), of a table (images, systems)."""
        return table[self.image, self.first] - table[self.image, self.second]

    def with_system(self, place: int) -> NDArray[np.bool_]:
        """Which pairs a system is part of."""
        return (self.first == place) | (self.second == place)


def pairs_of(votes: Sequence[Vote], images: Sequence[str], systems: Sequence[str], groups: Mapping[str, str]) -> Pairs:
    """Votes without the ties."""
    place, of_image = ({name: number for number, name in enumerate(names)} for names in (systems, images))
    kept = [vote for vote in votes if vote.winner != TIE]
    return Pairs(
        np.array([of_image[vote.image] for vote in kept], np.int64),
        np.array([place[vote.system_a] for vote in kept], np.int64),
        np.array([place[vote.system_b] for vote in kept], np.int64),
        np.array([vote.winner == vote.system_a for vote in kept], np.float64),
        [groups[vote.image] for vote in kept],
    )


def told_right(differences: Floats, won: Floats) -> Floats:
    """(n,) 1 where the better figure is the preferred system's, 0 where the other's, a half where both are equal."""
    return np.where(differences == 0, 0.5, (differences > 0) == (won > 0.5)).astype(np.float64)


def others_agree(votes: Sequence[Vote]) -> tuple[list[float], list[str]]:
    """For every vote with a winner that others voted on too: whether most of them say the same; and its image.

    The mean is about what a metric can reach that knows what people think in the middle. A draw counts half.
    """
    wins: dict[tuple[str, frozenset[str]], dict[str, int]] = {}
    for vote in votes:
        if vote.winner != TIE:
            told = wins.setdefault((vote.image, frozenset((vote.system_a, vote.system_b))), {})
            told[vote.winner] = told.get(vote.winner, 0) + 1
    right, images = [], []
    for vote in votes:
        if vote.winner == TIE:
            continue
        told = wins[vote.image, frozenset((vote.system_a, vote.system_b))]
        mine, theirs = told[vote.winner] - 1, sum(told.values()) - told[vote.winner]
        if mine + theirs:
            right.append(1.0 if mine > theirs else 0.5 if mine == theirs else 0.0)
            images.append(vote.image)
    return right, images


class Held(NamedTuple):
    """Predictions of pairs, each by a model that has never seen one of its two systems.

    Attributes:
        place: (m,) pair; every pair comes twice, once for each of its systems.
        system: (m,) the system that was left out.
        chance: (m,) that the first is preferred.
    """

    place: Places
    system: Places
    chance: Floats

    def right(self, pairs: Pairs) -> Floats:
        """(m,) 1 where the likelier one was preferred."""
        return hits(self.chance, pairs.won[self.place])

    def loss(self, pairs: Pairs) -> float:
        """Mean log loss."""
        return log_loss(self.chance, pairs.won[self.place])


def leave_one_out(pairs: Pairs, choices: Sequence[Floats], count: int, photographs: bool = False) -> Held:
    """Train without the pairs of a system, predict these, for every system.

    Args:
        pairs: The votes.
        choices: Sets of metric differences, (n, k) each. Of several sets the one is taken in every round that fits
            the training pairs best.
        count: Number of systems.
        photographs: Leave out the photograph of a predicted pair as well.
    """
    groups = np.asarray(pairs.groups)
    parts = []
    for system in range(count):
        own = pairs.with_system(system)
        rounds = [(own & (groups == name), ~own & (groups != name)) for name in np.unique(groups)]
        for test, train in rounds if photographs else [(own, ~own)]:
            if not test.any() or not train.any():
                continue
            models = [fit_pairs(rows[train], pairs.won[train]) for rows in choices]
            losses = [
                log_loss(model.chance(rows[train]), pairs.won[train])
                for model, rows in zip(models, choices, strict=True)
            ]
            best = int(np.argmin(losses))
            place = np.flatnonzero(test)
            parts.append((place, np.full(len(place), system), models[best].chance(choices[best][test])))
    return Held(*(np.concatenate(column) for column in zip(*parts, strict=True)))
