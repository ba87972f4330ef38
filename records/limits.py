"""How large an input may be before it is refused, in one place; an environment variable raises each limit."""

import os
import zipfile
from pathlib import Path
from typing import NamedTuple

from records.errors import UserError

PREFIX = "SUGC_MAX_"


class Limit(NamedTuple):
    """A limit.

    Attributes:
        default: Where the environment says nothing.
        what: What is counted.
    """

    default: int
    what: str


# What a few hostile bytes can make large. All of it is checked against what a header claims, before memory is spent.
LIMITS = {
    "IMAGE_PIXELS": Limit(100_000_000, "pixels of a picture"),
    "VIDEO_PIXELS": Limit(1 << 26, "pixels of a frame (8192 x 8192)"),
    "VIDEO_FRAMES": Limit(1 << 20, "frames of a video (ten hours at 30 per second)"),
    "VIDEO_TOTAL_PIXELS": Limit(1 << 44, "pixels of all frames of a video (ten hours of 3840 x 2160 are half of it)"),
    "TEXT_BYTES": Limit(1 << 32, "bytes of a CSV, JSON or JSON-lines file"),
    "CONFIG_BYTES": Limit(1 << 22, "bytes of a config file"),
    "CONFIG_VALUES": Limit(100_000, "values of a config file, its aliases written out"),
    "TABLE_ROWS": Limit(100_000_000, "rows of a Parquet table"),
    "TABLE_BYTES": Limit(1 << 33, "bytes of a Parquet table in memory"),
    "UNPACKED_BYTES": Limit(1 << 28, "bytes of a workbook, unpacked"),
}


def limit(name: str) -> int:
    """The limit in force: ``SUGC_MAX_<name>`` of the environment, else its default.

    Raises:
        UserError: The environment holds no whole number above 0.
    """
    told = os.environ.get(PREFIX + name, "").strip()
    if not told:
        return LIMITS[name].default
    if not (told.isascii() and told.isdigit() and 0 < len(told) < 19 and int(told)):
        raise UserError(f"{told!r} is not a whole number above 0", where=PREFIX + name, mend="mend or unset it")
    return int(told)


def raised(name: str) -> str:
    """How to raise a limit, for the end of a sentence."""
    return f"set {PREFIX}{name} higher where you trust it"


def check_size(path: Path, name: str) -> None:
    """Refuse what is no regular file, as a pipe that never ends, and a file of more bytes than a limit allows.

    Args:
        path: The file.
        name: Limit on its bytes.

    Raises:
        FileNotFoundError: There is none.
        UserError: It is a folder, a pipe or a device, or too large.
    """
    size = path.stat().st_size
    if not path.is_file():
        raise UserError("cannot be read: it is a folder, a pipe or a device", where=str(path), mend="give a file")
    if size > limit(name):
        raise UserError(f"{size} bytes are over the limit of {limit(name)}", where=str(path), mend=raised(name))


def check_archive(path: Path, name: str = "UNPACKED_BYTES") -> None:
    """Refuse a zip archive whose files together unpack to more than a limit allows.

    Raises:
        UserError: It would.
        zipfile.BadZipFile: It is no zip archive.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(each.file_size for each in archive.infolist())
    if size > limit(name):
        raise UserError(f"it unpacks to {size} bytes, over {limit(name)}", where=str(path), mend=raised(name))


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive with its end."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # an end that claims to be one of several
        return False


def is_packed(path: Path) -> bool:
    """Whether it is a zip archive of compressed files, which may unpack to a thousand times its size."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist())
    except Exception:  # no archive, or one that its reader will complain of
        return False
