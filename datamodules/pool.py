"""Pseudo-labelled clips as a second source of training clips."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.dataset import Clip
from records.errors import UserError
from records.hashing import file_hash
from records.pseudo_labels import PseudoLabels, read_pseudo_labels

KEY = "data.init_args.pool"


@dataclass
class Pool:
    """Clips that a teacher scored, mixed with the labelled ones in every training batch.

    Args:
        labels: Parquet of pseudo-labels, as ``train.py predict`` of a teacher writes it.
        root: Folder of the clips, below which their ids are paths.
        share: Share of a training batch that comes from the pool, above 0 to 1; 1 trains on the pool alone.
        max_spread: Leave out clips on which the teacher's members differ by more, label units; null keeps them all.
    """

    labels: str
    root: str
    share: float = 0.5
    max_spread: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UserError(
                f"{self.share} is out of range", where=f"{KEY}.share", mend="give above 0 to 1, or pool: null"
            )
        if self.max_spread is not None and not self.max_spread > 0:
            raise UserError(f"{self.max_spread} is out of range", where=f"{KEY}.max_spread", mend="give above 0")

    def rows(self, batch_size: int) -> int:
        """Pool clips in a batch of ``batch_size``; at least one, and at least one labelled clip below a share of 1.

        Raises:
            UserError: The batch cannot hold both.
        """
        if self.share == 1:
            return batch_size
        if batch_size < 2:
            raise UserError(
                "a batch of one clip cannot hold a labelled and a pool clip",
                where="data.init_args.batch_size",
                mend=f"give 2 or more, or {KEY}.share: 1",
            )
        return min(max(round(self.share * batch_size), 1), batch_size - 1)

    @cached_property
    def clips(self) -> list[Clip]:
        """The clips with the teacher's scores, in file order, without those of too large a spread."""
        table, root = self._table, Path(self.root)
        keep = np.isfinite(table.scores)
        if self.max_spread is not None:
            # A teacher of one member gives no spread, nan, which is not above any limit.
            keep &= ~(table.spreads > self.max_spread)
        clips = [
            Clip(table.ids[at], root / table.ids[at], table.contents[at], float(table.scores[at]), "pseudo")
            for at in np.flatnonzero(keep)
        ]
        if not clips:
            raise UserError(
                f"none of {len(table.ids)} clips has a score and a spread up to {self.max_spread or math.inf:g}",
                where=self.labels,
                mend=f"raise {KEY}.max_spread, or label more clips",
            )
        return clips

    @property
    def transductive(self) -> bool:
        """Whether validation or test clips may be among the labelled ones: the file says so."""
        return bool(self._table.header.get("transductive", False))

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What a record says of the pool: ``hash`` of the file, ``teacher``, and number of ``clips`` taken."""
        header = self._table.header
        return {"hash": file_hash(self.labels), "teacher": header.get("teacher", []), "clips": len(self.clips)}

    def stats(self) -> tuple[float, float]:
        """Mean and population standard deviation of the teacher's scores, in label units."""
        scores = np.array([clip.score for clip in self.clips], dtype=np.float64)
        return float(scores.mean()), float(scores.std())

    @cached_property
    def _table(self) -> PseudoLabels:
        return read_pseudo_labels(self.labels)


def refuse_held_out(pool: Pool, held_out: Sequence[Clip], root: Path) -> None:
    """Refuse a pool with clips that validation or test will judge, unless its file says that it is transductive.

    Compared are ids, files (through links too), and contents where pool and labels share a root.

    Args:
        pool: The pool.
        held_out: Labelled clips that are not for training.
        root: Data root of the labelled clips.

    Raises:
        UserError: Names the first clip and counts the others.
    """
    if pool.transductive:
        return
    ids, files = {clip.id for clip in held_out}, {_file(clip.path) for clip in held_out} - {None}
    same_root = Path(pool.root).resolve() == root.resolve()
    contents = {clip.content for clip in held_out} if same_root else set()
    found = [
        clip
        for clip in pool.clips
        if clip.id in ids or clip.content in contents or (files and _file(clip.path) in files)
    ]
    if found:
        raise UserError(
            f"{len(found)} of {len(pool.clips)} pool clips are held out for validation or test, first {found[0].id}",
            where=pool.labels,
            mend="label a pool without them, or give the labels with allow_transductive, which every result then says",
        )


def _file(path: Path) -> tuple[int, int] | None:
    """Device and number of a file, the same through every link to it; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
