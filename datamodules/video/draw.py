"""Random draws of one sample: a function of (seed, epoch, id), whatever worker or rank makes them."""

from dataclasses import dataclass

import torch

from records.hashing import seed_of


@dataclass(frozen=True)
class Draw:
    """Where the random numbers of one sample come from.

    Nothing is shared between samples and no state advances, so worker count, batch size, world size and the order of
    reading never change a draw. Evaluation draws depend on the id alone: a video scores the same in every run.

    Args:
        seed: Seed of the run.
        epoch: Epoch, so that every pass sees other crops.
        id: The sample's id.
        train: True for training draws. In evaluation ``seed`` and ``epoch`` are ignored.
    """

    seed: int = 0
    epoch: int = 0
    id: str = ""
    train: bool = False

    def generator(self, purpose: str) -> torch.Generator:
        """A fresh CPU generator for one purpose; the same purpose always starts the same sequence.

        Args:
            purpose: What is drawn, for example ``flip``. Views that use the same purpose get the same numbers: a
                video that is mirrored for one view is mirrored for all.

        Returns:
            The seeded generator.
        """
        parts = ("train", self.seed, self.epoch) if self.train else ("evaluation",)
        return torch.Generator().manual_seed(seed_of(*parts, self.id, purpose))

    def uniform(self, purpose: str, count: int = 1) -> list[float]:
        """``count`` numbers in [0, 1) for one purpose in training; the middle, 0.5, in evaluation."""
        if not self.train:
            return [0.5] * count
        return torch.rand(count, generator=self.generator(purpose), dtype=torch.float64).tolist()
