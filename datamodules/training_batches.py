"""What a training batch is made of: labelled clips, pool clips or both, with whole contents where asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datamodules.dataset import Clip
from datamodules.launch_checks import check_media, check_training
from datamodules.order import MixedOrder, TrainOrder
from datamodules.pool import Pool, refuse_held_out
from records.hashing import seed_of


@dataclass(frozen=True)
class TrainingBatches:
    """The make-up of the batches of one rank.

    Args:
        size: Clips in a batch.
        ladders: Whole contents in a batch; two sources share them as they share the batch.
        probability: Share of the batches that hold whole contents, 0..1.
        pool: Pseudo-labelled clips, or None.
    """

    size: int
    ladders: int = 0
    probability: float = 0.5
    pool: Pool | None = None

    def sources(self, labelled: list[Clip]) -> list[tuple[list[Clip], int]]:
        """Clips of each source with their number in a batch, labelled ones first; none that gives no clip."""
        if self.pool is None:
            return [(labelled, self.size)]
        pooled = self.pool.rows(self.size)
        both = [(labelled, self.size - pooled), (self.pool.clips, pooled)]
        return [(clips, rows) for clips, rows in both if rows]

    def check(self, labelled: list[Clip], held_out: list[Clip], root: Path, world: int, on_unreadable: str) -> None:
        """Refuse what gives no batch, and a pool of missing or held-out clips.

        Args:
            labelled: Labelled training clips.
            held_out: Labelled clips that are not for training.
            root: Data root of both.
            world: Number of ranks.
            on_unreadable: What is done about unreadable clips.

        Raises:
            UserError: Says what and which key mends it.
        """
        if self.pool is not None:
            check_media("pool", self.pool.clips, Path(self.pool.root))
            refuse_held_out(self.pool, held_out, root)
        for clips, rows in self.sources(labelled):
            check_training(clips, rows, world, self._ladders(rows), on_unreadable)

    def order(
        self,
        labelled: list[Clip],
        *,
        seed: int,
        rank: int,
        world: int,
        progress: Callable[[], tuple[int, int] | None],
    ) -> tuple[list[Clip], TrainOrder | MixedOrder]:
        """Clips that the places of an order point to, and that order; see :class:`datamodules.order.TrainOrder`."""
        sources = self.sources(labelled)
        orders = [
            TrainOrder(
                [clip.content for clip in clips],
                rows,
                seed=seed_of("pool", seed) if self.pool is not None and clips is self.pool.clips else seed,
                rank=rank,
                world=world,
                ladders=self._ladders(rows),
                probability=self.probability,
                progress=progress,
            )
            for clips, rows in sources
        ]
        order = orders[0] if len(orders) == 1 else MixedOrder(*orders)
        return [clip for clips, _ in sources for clip in clips], order

    def _ladders(self, rows: int) -> int:
        return self.ladders * rows // self.size
