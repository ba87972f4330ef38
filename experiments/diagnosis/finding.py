"""One thing that was looked at, how it is, and the command that mends it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Level = Literal["ok", "note", "warning", "error"]
LEVELS = get_args(Level)
Check = Callable[[], Iterable["Finding"]]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        level: ``ok``; ``note`` for what may be as it is; ``warning`` for what will cost time or accuracy;
            ``error`` for what will not work, or is dangerous.
        about: What was looked at, in a word or two.
        what: How it is.
        mend: The command that mends it; empty where nothing is to be done.
    """

    level: Level
    about: str
    what: str
    mend: str = ""

    def plain(self) -> dict[str, Any]:
        """The finding as plain values."""
        return asdict(self)


def examine(checks: dict[str, Check]) -> Iterator[Finding]:
    """Run checks one by one; one that breaks is an error of its own and ends no other.

    Args:
        checks: What a check is about, to the check.
    """
    for about, check in checks.items():
        try:
            yield from check()
        except Exception as error:  # a broken package shows in any way it likes
            yield Finding("error", about, f"could not be looked at ({told(error)})", "pip install -e .")


def told(error: BaseException) -> str:
    """Kind of an error and the first line it says."""
    said = str(error).strip().partition("\n")[0][:200]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
