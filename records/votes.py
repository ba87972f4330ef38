"""Votes of a user study: who preferred what to what on which image."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from records.errors import UserError
from records.limits import check_size

COLUMNS = ("rater", "image", "system_a", "system_b", "winner")
TIE = "tie"


@dataclass(frozen=True)
class Vote:
    """One comparison.

    Args:
        rater: Whoever voted.
        image: Id of the image.
        system_a: One system.
        system_b: The other one.
        winner: The preferred one of both, or ``tie``.
    """

    rater: str
    image: str
    system_a: str
    system_b: str
    winner: str


def read_votes(paths: Iterable[str | Path]) -> list[Vote]:
    """Read vote tables, several raters' together; a vote that a rater gave twice counts once, the last time.

    Raises:
        UserError: A file is no such table, or a row makes no sense; names it.
    """
    votes: dict[tuple[str, str, frozenset[str]], Vote] = {}
    for path in paths:
        try:
            check_size(Path(path), "TEXT_BYTES")
            with open(path, encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
                if missing:
                    mend = "give the table as the page saved it"
                    raise UserError(f"has no column {', '.join(missing)}", where=str(path), mend=mend)
                rows = [{name: (row[name] or "").strip() for name in COLUMNS} for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            mend = "give the table as the page saved it"
            raise UserError(f"cannot be read ({type(error).__name__})", where=str(path), mend=mend) from None
        for number, row in enumerate(rows, start=2):
            vote = Vote(**row)
            pair = frozenset((vote.system_a, vote.system_b))
            if len(pair) < 2 or vote.winner not in {*pair, TIE} or "" in (vote.image, *pair):
                mend = "the winner is one of two different systems, or tie"
                raise UserError(f"row {number} makes no sense", where=str(path), mend=mend)
            votes[vote.rater, vote.image, pair] = vote
    return list(votes.values())
