"""Where files of a data set may lie: below its folder, also after every link on the way is followed."""

import os
from pathlib import Path

from records.errors import UserError

FOLLOW = "SUGC_FOLLOW_LINKS"
MEND = f"copy what it leads to there, or set {FOLLOW}=1 where you made the link yourself"


def leads_out(path: Path, root: Path) -> bool:
    """Whether links lead from ``path``, which is named below ``root``, to a place outside of it.

    Args:
        path: A file.
        root: Folder that it is named below; this may be a link itself.
    """
    if os.environ.get(FOLLOW) == "1":
        return False
    top, place = os.path.realpath(root), os.path.realpath(path)
    return place != top and not place.startswith(top.rstrip(os.sep) + os.sep)


def named_root(path: Path, id: str) -> Path | None:
    """The folder that an id is relative to, where the path of its file ends in the id; else None."""
    text, end = path.as_posix(), f"/{id}"
    return Path(text.removesuffix(end) or "/") if text.endswith(end) else None


def check_name(path: Path) -> Path:
    """The path itself, where its name can be written into a table.

    Raises:
        UserError: It is not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError("its name is not UTF-8", where=str(path), mend="rename it") from None
    return path
