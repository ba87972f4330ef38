"""One thing worth telling about a data set."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "missing",
    "unreadable",
    "truncated",
    "damaged",
    "leak",
    "duplicate id",
    "unpaired",
    "wrong ratio",
    "bad label",
    "bad table",
    "duplicate",
    "look-alike",
    "unlisted",
    "unscored",
    "outlier",
]

# What each kind means, in the order of showing; the first group makes the command fail.
ERRORS: dict[Kind, str] = {
    "missing": "listed in a label file, but there is no such file",
    "unreadable": "no frame can be had",
    "truncated": "the file ends before its last frame",
    "damaged": "some frames cannot be decoded",
    "leak": "the same content, bytes or picture in two splits",
    "duplicate id": "a file listed twice, or two of one name",
    "unpaired": "an image of a pair without the other one",
    "wrong ratio": "a pair whose sides are not the set's scale apart",
    "bad label": "a row, a score or a group that cannot be right",
    "bad table": "a table that cannot be read as a whole",
}
NOTES: dict[Kind, str] = {
    "duplicate": "the same bytes under two names, within a split",
    "look-alike": "nearly the same picture in two contents of a split",
    "unlisted": "a video that no label file lists",
    "unscored": "listed without a score, as in a sealed split",
    "outlier": "a score far from all others",
}


@dataclass(frozen=True)
class Finding:
    """A fault or a remark.

    Args:
        kind: One of a few fixed words.
        id: File or table that it is about.
        detail: What was seen, one line.
    """

    kind: Kind
    id: str
    detail: str

    @property
    def grade(self) -> Literal["error", "note"]:
        """Whether it makes the check fail."""
        return "error" if self.kind in ERRORS else "note"


def printable(text: str) -> str:
    """``text`` with everything escaped that a terminal, a page or UTF-8 would trip over.

    File names may hold line breaks, terminal commands, marks that turn the direction of writing, or bytes that are no
    UTF-8 at all.
    """
    text = os.fsencode(text).decode("utf-8", "backslashreplace") if not _is_utf8(text) else text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def listed(names: Iterable[str], shown: int = 4) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
