"""Rows of frozen networks, one memory-mapped float16 table an expert: filled once, read in microseconds."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from records.disk import require
from records.errors import UserError
from records.files import read_json, write_json
from records.hashing import value_hash

HEADER = "header.json"
_FILL = "fill it with: python train.py predict --config configs/exp/kvq/features/EXPERT.yaml"


@dataclass(frozen=True)
class BankHeader:
    """What the rows of a bank are; rows made with another header never get into it.

    Args:
        expert: Name of the expert.
        version: Version of the expert, set by hand when its code changes what it computes.
        weights_hash: Hash of its weights; empty where they are not known.
        sampler_hash: Hash of the sampler whose frames the tokens stand for; empty where a row is of a whole video.
        tokens: Tokens of a row.
        width: Features of a token.
        stand_in: The rows come from random weights and only have the right shape.
        view: What the expert was shown: class and parameters.
        dtype: Type of a stored feature.
    """

    expert: str
    version: str
    weights_hash: str
    sampler_hash: str
    tokens: int
    width: int
    stand_in: bool = False
    view: dict[str, Any] = field(default_factory=dict)
    dtype: Literal["float16"] = "float16"

    def differences(self, other: "BankHeader") -> list[str]:
        """Each field that differs, with both values."""
        ours, theirs = ({name: _text(value) for name, value in asdict(each).items()} for each in (self, other))
        return [f"{name} {ours[name]} (here {theirs[name]})" for name in ours if ours[name] != theirs[name]]

    @property
    def rows_name(self) -> str:
        """Name of the file of rows, which tells a stand-in."""
        return "rows.stand-in.f16" if self.stand_in else "rows.f16"

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.tokens * self.width * 2


class MissingRow(UserError):
    """A bank was made for this id and has no row of it: its video could not be read, or filling was interrupted."""


class FeatureBank:
    """The rows of one expert by id.

    The folder holds ``header.json``; ``ids-<hash>.json``, the ids in the order of the rows; ``rows.f16``, (ids, tokens,
    width) of little-endian float16, named ``rows.stand-in.f16`` where the weights were random; and ``done-<rank>`` for
    each writer, one byte an id. A row counts once its byte is 1, which is written after the row is on disk, so a kill
    leaves no row torn.

    An object opens its files when it first reads, so it can be handed to workers, forked or spawned.

    Args:
        folder: Folder of the bank.

    Raises:
        UserError: The folder holds no bank, or one that is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            facts = read_json(self.folder / HEADER)
            self.header = BankHeader(**{each.name: facts[each.name] for each in fields(BankHeader)})
            self._ids_hash = str(facts["ids_hash"])
        except FileNotFoundError:
            raise UserError("holds no feature bank", where=str(self.folder), mend=_FILL) from None
        except (ValueError, KeyError, TypeError) as error:
            what = f"is no header of a feature bank ({type(error).__name__}: {error})"
            raise UserError(what, where=str(self.folder / HEADER), mend=f"remove {self.folder}, and {_FILL}") from None
        self._index: dict[str, int] | None = None
        self._rows: np.ndarray | None = None
        self._done = np.zeros(0, bool)

    @classmethod
    def prepare(cls, folder: str | Path, header: BankHeader, ids: Iterable[str]) -> "FeatureBank":
        """Make a bank, or open it with ids that are new to it put behind those it has; for one process alone.

        Args:
            folder: Folder of the bank.
            header: What its rows are.
            ids: Ids that are to have a row, each once.

        Raises:
            UserError: The bank there holds rows of another kind; names every field that differs.
        """
        folder = Path(folder)
        known: list[str] = []
        if (folder / HEADER).is_file():
            bank = cls(folder)
            bank.check(header)
            known = list(bank.index)
        have = set(known)
        every = [*known, *(id for id in dict.fromkeys(ids) if id not in have)]
        if len(every) > len(known) or not known:
            new = len(every) - len(known)
            require(folder, new * header.row_bytes, f"{new} rows of features", "make room, or name another bank")
            folder.mkdir(parents=True, exist_ok=True)
            hash = value_hash(every)
            write_json(folder / f"ids-{hash}.json", every)
            with open(folder / header.rows_name, "ab") as file:
                file.truncate(len(every) * header.row_bytes)
            # With the header the new ids count; a kill before this line leaves the old bank.
            write_json(folder / HEADER, {**asdict(header), "count": len(every), "ids_hash": hash})
            for old in folder.glob("ids-*.json"):
                if old.name != f"ids-{hash}.json":
                    old.unlink()
        return cls(folder)

    def check(self, header: BankHeader) -> None:
        """Refuse a run that makes rows of another kind.

        Raises:
            UserError: Names every field that differs.
        """
        if told := self.header.differences(header):
            raise UserError(
                f"the bank was made with {', '.join(told)}",
                where=str(self.folder),
                mend="fill another folder, or remove this one",
            )

    @property
    def index(self) -> dict[str, int]:
        """Id to place of its row."""
        if self._index is None:
            path = self.folder / f"ids-{self._ids_hash}.json"
            try:
                ids = read_json(path)
            except (OSError, ValueError):
                raise UserError("the list of ids is missing or damaged", where=str(path), mend=_FILL) from None
            if value_hash(ids) != self._ids_hash:
                raise UserError("holds other ids than the bank was made for", where=str(path), mend=_FILL)
            self._index = {id: place for place, id in enumerate(ids)}
        return self._index

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Those of ``ids`` that have no row."""
        done, index = self._flags(), self.index
        return [id for id in ids if id not in index or not done[index[id]]]

    def read(self, id: str) -> np.ndarray:
        """The row of an id: float16 (tokens, width), a copy.

        Raises:
            MissingRow: Its row is not filled; names it.
            UserError: The bank was not made for it; names it.
        """
        place = self._places([id])[0]
        assert self._rows is not None
        return self._rows[place].copy()

    def read_many(self, ids: Sequence[str]) -> np.ndarray:
        """Rows of ids: float16 (ids, tokens, width), a copy.

        Raises:
            MissingRow: The row of one is not filled; names it.
            UserError: The bank was not made for one; names it.
        """
        places = self._places(ids)
        assert self._rows is not None
        return self._rows[places]

    def _places(self, ids: Sequence[str]) -> list[int]:
        """Places of rows that are filled, in an open bank."""
        if self._rows is None:
            self._open()
        index, done = self.index, self._done
        places = []
        for id in ids:
            place = index.get(id)
            if place is None:
                what = f"expert {self.header.expert} has no row for {id}"
                raise UserError(what, where=str(self.folder), mend=_FILL)
            if not done[place]:
                what = f"the row of expert {self.header.expert} for {id} is not filled"
                raise MissingRow(what, where=str(self.folder), mend=_FILL)
            places.append(place)
        return places

    def _open(self) -> None:
        shape = (len(self.index), self.header.tokens, self.header.width)
        path = self.folder / self.header.rows_name
        try:
            # A plain array: a memmap's own indexing costs several times the copy of a row.
            rows = np.asarray(np.memmap(path, "<f2", "r", shape=shape)) if len(self.index) else np.zeros(shape, "<f2")
        except (OSError, ValueError):
            raise UserError("the rows are missing or cut off", where=str(path), mend=_FILL) from None
        self._done, self._rows = self._flags(), rows

    def _flags(self) -> np.ndarray:
        """Bool (ids,): whether each row is filled, by whichever writer."""
        done = np.zeros(len(self.index), bool)
        for path in self.folder.glob("done-*"):
            flags = np.frombuffer(path.read_bytes()[: len(done)], np.uint8)
            done[: len(flags)] |= flags == 1
        return done

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_index": None, "_rows": None, "_done": np.zeros(0, bool)}


def stand_in_note(experts: Iterable[str]) -> str:
    """What every report says of features that only have the right shape."""
    return f"features of {', '.join(experts)} come from random weights, not from the expert"


def _text(value: Any) -> str:
    # As it comes back from a file: a tuple is a list there.
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
