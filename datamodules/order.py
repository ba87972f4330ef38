"""In which order clips are read: functions of (seed, epoch), so a stopped run goes on at the very next clip."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch.utils.data import DistributedSampler

from records.hashing import seed_of

# Epoch and place in the data set: a worker that outlives its epoch still knows which draws to make.
Key = tuple[int, int]


def epoch_order(
    contents: Sequence[str], batch_size: int, *, seed: int, epoch: int, ladders: int = 0, probability: float = 0.5
) -> list[int]:
    """Places of the clips of one epoch, batch after batch; each clip at most once, a last short batch is left out.

    With ``ladders`` a batch holds, with ``probability``, all clips of that many contents and is filled up at random:
    ranking the versions of one content is only learnt where they meet in a batch. An epoch that runs out of whole
    contents goes on with random batches.

    Args:
        contents: Content of each clip.
        batch_size: Clips in a batch.
        seed: Seed of the run.
        epoch: Epoch, from 0.
        ladders: Whole contents in a batch; 0 for random batches only.
        probability: Share of the batches that hold whole contents, 0..1.

    Returns:
        ``len(contents) // batch_size * batch_size`` places.

    Raises:
        ValueError: So many contents can be larger than a batch.
    """
    generator = torch.Generator().manual_seed(seed_of("order", seed, epoch))
    batches = len(contents) // batch_size
    shuffled: list[int] = torch.randperm(len(contents), generator=generator).tolist()
    if not ladders:
        return shuffled[: batches * batch_size]
    groups: dict[str, list[int]] = {}
    for place in shuffled:
        groups.setdefault(contents[place], []).append(place)
    largest = max(map(len, groups.values()))
    if ladders * largest > batch_size:
        raise ValueError(f"{ladders} contents of up to {largest} clips do not fit a batch of {batch_size}")
    # Iterating over the shuffled clips has shuffled the groups too; a clip alone is no ladder.
    whole = iter([group for group in groups.values() if len(group) > 1])
    wanted = (torch.rand(batches, generator=generator) < probability).tolist()
    blocks: list[list[int]] = []
    for ladder in wanted:
        some = [group for group, _ in zip(whole, range(ladders), strict=False)] if ladder else []
        blocks.append([place for group in some for place in group] if len(some) == ladders else [])
    used = {place for block in blocks for place in block}
    rest = iter([place for place in shuffled if place not in used])
    for block in blocks:
        block.extend(place for _, place in zip(range(batch_size - len(block)), rest, strict=False))
    return [place for block in blocks for place in block]


class TrainOrder(DistributedSampler):
    """Training order of one rank, as (epoch, place): equal batches on every rank, nothing to save or restore.

    Whole batches are dealt to the ranks in turn, so the ranks' batches of one step make up one batch of a
    single-process run with that many more clips.

    It is a ``DistributedSampler`` because Lightning leaves those alone whatever ``use_distributed_sampler`` says.

    Args:
        contents: Content of each clip.
        batch_size: Clips in a batch of one rank.
        seed: Seed of the run.
        rank: This rank.
        world: Number of ranks.
        ladders: Whole contents in a batch; see :func:`epoch_order`.
        probability: Share of batches with whole contents.
        progress: Asked at the start of each iteration for the epoch and the batches of it that are done already;
            None begins the epoch set by ``set_epoch``.
    """

    def __init__(
        self,
        contents: Sequence[str],
        batch_size: int,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
        ladders: int = 0,
        probability: float = 0.5,
        progress: Callable[[], tuple[int, int] | None] = lambda: None,
    ) -> None:
        super().__init__(range(len(contents)), num_replicas=world, rank=rank)  # type: ignore[arg-type]
        self.contents, self.batch_size, self.run_seed = contents, batch_size, seed
        self.ladders, self.probability, self.progress = ladders, probability, progress
        self.steps = len(contents) // (batch_size * world)

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def order(self, epoch: int) -> list[int]:
        """Places of all ranks' clips in ``epoch``, batch after batch."""
        size, ladders, probability = self.batch_size, self.ladders, self.probability
        return epoch_order(
            self.contents, size, seed=self.run_seed, epoch=epoch, ladders=ladders, probability=probability
        )

    def __iter__(self) -> Iterator[Key]:
        epoch, done = self.progress() or (self.epoch, 0)
        size, world = self.batch_size, self.num_replicas
        order = self.order(epoch)
        for step in range(done, self.steps):
            start = (step * world + self.rank) * size
            yield from ((epoch, place) for place in order[start : start + size])


class MixedOrder(DistributedSampler):
    """Training order over two sources: every batch holds labelled clips and pool clips in fixed numbers.

    An epoch is one pass over the labelled clips. The pool goes on where the epoch before left it, pass after pass, so
    all of it is seen however large it is; where it stands is again a function of the epoch alone. Places of pool clips
    follow those of the labelled ones.

    Args:
        labelled: Order of the labelled clips, with their number in a batch.
        pool: Order of the pool clips, with their number in a batch; on the same rank.
    """

    def __init__(self, labelled: TrainOrder, pool: TrainOrder) -> None:
        rank, world = labelled.rank, labelled.num_replicas
        super().__init__(range(len(labelled.contents)), num_replicas=world, rank=rank)  # type: ignore[arg-type]
        self.labelled, self.pool = labelled, pool

    def __len__(self) -> int:
        return self.labelled.steps * (self.labelled.batch_size + self.pool.batch_size)

    def __iter__(self) -> Iterator[Key]:
        epoch, done = self.labelled.progress() or (self.epoch, 0)
        size, offset = self.labelled.batch_size, len(self.labelled.contents)
        labelled = self.labelled.order(epoch)
        passed, pool = -1, list[int]()
        for step in range(done, self.labelled.steps):
            batch = step * self.num_replicas + self.rank
            yield from ((epoch, place) for place in labelled[batch * size : (batch + 1) * size])
            batch += epoch * self.labelled.steps * self.num_replicas
            turn, batch = divmod(batch, len(self.pool.contents) // self.pool.batch_size)
            if turn != passed:
                passed, pool = turn, self.pool.order(turn)
            yield from (
                (epoch, offset + place)
                for place in pool[batch * self.pool.batch_size : (batch + 1) * self.pool.batch_size]
            )


class EvaluationOrder(DistributedSampler):
    """Every clip on exactly one rank: ``range(rank, n, world)``, nothing padded, so scores do not depend on ranks.

    A rank without clips gets one None, an empty batch, since Lightning passes over a rank without batches and what
    all ranks do together at the end would then wait for it.

    Args:
        count: Number of clips.
        rank: This rank.
        world: Number of ranks.
    """

    def __init__(self, count: int, *, rank: int = 0, world: int = 1) -> None:
        super().__init__(range(count), num_replicas=world, rank=rank, shuffle=False)  # type: ignore[arg-type]
        self.places = range(rank, count, world)

    def __len__(self) -> int:
        return max(1, len(self.places))

    def __iter__(self) -> Iterator[int | None]:
        return iter(self.places or [None])
