"""Errors that a user can cause and mend, each told in one sentence."""

import errno
from typing import Any

_REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR)


class UserError(Exception):
    """The user's input is wrong; the command ends with exit code 2.

    Args:
        what: What is wrong, with the offending value.
        where: File, row or config key where it was found.
        mend: What the user can do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(what, where, mend)
        self.what, self.where, self.mend = what, where, mend

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return printable(f"{text}; {self.mend}" if self.mend else text)

    def __reduce__(self) -> tuple[Any, ...]:
        # Arguments by keyword do not survive the way between processes on their own.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[UserError], arguments: tuple[Any, ...], state: dict[str, Any]) -> UserError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


def not_written(path: object, error: OSError) -> UserError:
    """The error of a file that cannot be written."""
    mend = "make room there, or name a place that you may write to"
    return UserError(f"cannot be written ({error.strerror or error})", where=str(path), mend=mend)


def refused_by_system(error: OSError) -> UserError | None:
    """The error of a place without permission or room, wherever it came up; None where no place is to blame."""
    if error.errno not in _REFUSALS or error.filename is None:
        return None
    told = f"the system refuses it ({error.strerror})"
    return UserError(told, where=str(error.filename), mend="make room, or name a place that you may read and write")


class CheckFailed(UserError):
    """A check did not hold (over budget, files with errors, scores differ); exit code 1."""

    exit_code = 1


def printable(text: str, most: int = 8000) -> str:
    """Text of foreign files that does nothing to a terminal and fits into any table: letters alone, in one line."""
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[-most // 2 :]}"
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
