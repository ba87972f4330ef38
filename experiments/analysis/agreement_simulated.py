"""Votes of a simulated rater, for data that no people have looked at: a stand-in, and named so wherever it is used."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from records.votes import TIE, Vote

# Distances that the rater goes by. What agrees with them agrees with itself.
TERMS = ("st_lpips", "l1")
# Names of simulated raters begin with it, so that a table of votes says itself what it is.
NAME = "simulated"
# Less apart than this, and there is no difference to be seen.
UNSEEN = 0.25
# Scale of the noise of a look.
NOISE = 0.5


def simulate(
    distances: Mapping[str, NDArray[np.float64]],
    images: Sequence[str],
    systems: Sequence[str],
    raters: int,
    seed: int,
) -> list[Vote]:
    """Every rater votes once on every pair of systems on every image.

    A picture's worth is minus the sum of its distances, each in units of its deviation within images; every look adds
    Gumbel noise to both sides, so that worths apart by d are told apart in 1 / (1 + exp(-d / NOISE)) of looks.

    Args:
        distances: (images, systems) of each of ``TERMS``; less is better.
        images: Their names.
        systems: Likewise.
        raters: How many.
        seed: Seed of noise and sides.
    """
    worth = np.zeros((len(images), len(systems)))
    for name in TERMS:
        apart = distances[name] - distances[name].mean(axis=1, keepdims=True)
        worth -= apart / max(float(np.sqrt(np.mean(apart**2))), 1e-12)
    random = np.random.default_rng(seed)
    pairs = [(a, b) for a in range(len(systems)) for b in range(a + 1, len(systems))]
    votes = []
    for rater in range(raters):
        for place, image in enumerate(images):
            for pair in pairs:
                left, right = pair if random.random() < 0.5 else pair[::-1]
                noise = random.gumbel(scale=NOISE, size=2)
                gap = worth[place, left] + noise[0] - worth[place, right] - noise[1]
                winner = TIE if abs(gap) < UNSEEN else systems[left if gap > 0 else right]
                votes.append(Vote(f"{NAME}-{rater + 1}", image, systems[left], systems[right], winner))
    return votes


def is_simulated(votes: Sequence[Vote]) -> bool:
    """Whether any of the votes is no person's."""
    return any(vote.rater.startswith(NAME) for vote in votes)
