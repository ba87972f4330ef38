"""What is told about files that cannot be read, wholly or in part."""

from typing import Any, Literal

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

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross from data workers by pickle, which knows nothing of keyword-only arguments.
        return _rebuilt, (self.what, self.reason, self.where, self.mend)


def _rebuilt(what: str, reason: Reason, where: str, mend: str) -> UnreadableVideo:
    return UnreadableVideo(what, reason=reason, where=where, mend=mend)


class DamagedVideoWarning(UserWarning):
    """A file that gives only some of its frames; shown once a file and process."""
