"""What is told about files that cannot be read, wholly or in part."""

from typing import Literal

from records.errors import UserError

Reason = Literal[
    "missing file",
    "zero bytes",
    "not a video",
    "index missing",
    "no video stream",
    "unknown codec",
    "no decodable frame",
    "too large",
    "backend limits",
    "link out",
]


class UnreadableVideo(UserError):
    """A file that gives no frames.

    Args:
        what: What is wrong with it.
        reason: The same as one of a few fixed phrases, for counting.
        where: The file.
        mend: What the user can do about it.
    """

    def __init__(self, what: str, *, reason: Reason = "no decodable frame", where: str = "", mend: str = "") -> None:
        super().__init__(what, where=where, mend=mend)
        self.reason: Reason = reason


class DamagedVideoWarning(UserWarning):
    """A file that gives only some of its frames; shown once a file and process."""
