"""In which order training images are read: one endless stream of passes that every epoch takes its stretch of."""

import math
from collections.abc import Callable, Iterator

import torch
from torch.utils.data import DistributedSampler

from datamodules.order import Key
from records.hashing import seed_of


class ImageOrder(DistributedSampler):
    """Training order of one rank, as (pass, place): equal batches on every rank, nothing to save or restore.

    All passes over the images, each shuffled anew, make up one stream, and every epoch takes the stretch that follows
    the one before. So no image is lost where batches do not divide their number, none is seen twice before all others
    were seen once, and an epoch may be shorter or longer than a pass. Where the stream stands is a function of the
    epoch alone. The key tells the pass, so an image that comes twice in a long epoch is cut in two ways.

    The ranks' batches of one step make up one batch of a single-process run with that many more images.

    It is a ``DistributedSampler`` because Lightning leaves those alone whatever ``use_distributed_sampler`` says.

    Args:
        count: Number of images.
        batch_size: Images in a batch of one rank.
        seed: Seed of the run.
        epoch_size: Images of an epoch, all ranks together, rounded up to whole batches; None for ``count``.
        rank: This rank.
        world: Number of ranks.
        progress: Asked at the start of each iteration for the epoch and the batches of it that are done already;
            None begins the epoch set by ``set_epoch``.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        seed: int,
        epoch_size: int | None = None,
        rank: int = 0,
        world: int = 1,
        progress: Callable[[], tuple[int, int] | None] = lambda: None,
    ) -> None:
        super().__init__(range(count), num_replicas=world, rank=rank)  # type: ignore[arg-type]
        self.count, self.batch_size, self.run_seed, self.progress = count, batch_size, seed, progress
        self.steps = math.ceil((epoch_size or count) / (batch_size * world))

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __iter__(self) -> Iterator[Key]:
        epoch, done = self.progress() or (self.epoch, 0)
        current, shuffled = -1, list[int]()
        for step in range(done, self.steps):
            batch = (epoch * self.steps + step) * self.num_replicas + self.rank
            for number in range(batch * self.batch_size, (batch + 1) * self.batch_size):
                turn, place = divmod(number, self.count)
                if turn != current:
                    generator = torch.Generator().manual_seed(seed_of("order", self.run_seed, turn))
                    current, shuffled = turn, torch.randperm(self.count, generator=generator).tolist()
                yield turn, shuffled[place]
