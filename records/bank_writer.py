"""Writing rows into a feature bank, so that a kill at any moment tears none."""

import errno
import os
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import numpy as np

from records.disk import writing
from records.errors import UserError
from records.feature_bank import BankHeader, FeatureBank

LARGEST = float(np.finfo(np.float16).max)


class BankWriter:
    """Writes rows of one rank into a prepared bank.

    It writes bytes in place rather than through a memory map, which on a network file system would write whole pages
    and with them the rows of other ranks.

    Args:
        bank: The bank.
        rank: This rank; no two writers at work have the same.
    """

    def __init__(self, bank: FeatureBank, rank: int = 0) -> None:
        self.bank = bank
        done = bank.folder / f"done-{rank}"
        done.touch()
        self._rows: BinaryIO = open(bank.folder / bank.header.rows_name, "r+b", buffering=0)
        self._done: BinaryIO = open(done, "r+b", buffering=0)

    def write(self, ids: Sequence[str], rows: Iterable[np.ndarray]) -> None:
        """Put rows on disk, and only then count them as done.

        Args:
            ids: Their ids, all known to the bank.
            rows: Float array (tokens, width) of each.

        Raises:
            UserError: A row has another shape, or holds a value that float16 cannot; nothing is written then.
        """
        halves = []
        for id, row in zip(ids, rows, strict=True):
            if reason := refusal(row, self.bank.header):
                mend = "look at the view and the network of the expert"
                raise UserError(f"{reason} for {id}", where=f"expert {self.bank.header.expert}", mend=mend)
            halves.append(row.astype("<f2"))
        places = [self.bank.index[id] for id in ids]
        with writing(self.bank.folder):
            for place, half in zip(places, halves, strict=True):
                _write_at(self._rows, place * self.bank.header.row_bytes, half.tobytes())
            os.fsync(self._rows.fileno())
            for place in places:
                _write_at(self._done, place, b"\x01")
            os.fsync(self._done.fileno())

    def close(self) -> None:
        """Close the files."""
        self._rows.close()
        self._done.close()


def refusal(row: np.ndarray, header: BankHeader) -> str:
    """Why a row cannot be stored, or nothing.

    Args:
        row: float array.
        header: Header of the bank.
    """
    if row.shape != (header.tokens, header.width):
        return f"made a row of shape {row.shape} instead of {(header.tokens, header.width)}"
    if not np.isfinite(row).all():
        return f"made a value that is not finite ({row[~np.isfinite(row)][0]})"
    largest = float(np.abs(row).max())
    return f"made a value of {largest:g}, beyond the {LARGEST:g} of float16" if largest > LARGEST else ""


def _write_at(file: BinaryIO, offset: int, data: bytes) -> None:
    file.seek(offset)
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
