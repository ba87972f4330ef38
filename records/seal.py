"""Zip files that carry the hash of their own bytes: whole or not can be told of any copy, without a second file.

The hash stands in the zip's comment, which every reader of zips passes over, torch's among them.
"""

import hashlib
import os
import re
import struct
from pathlib import Path
from typing import BinaryIO

_SEAL = re.compile(rb"sha256:([0-9a-f]{64})\Z")
_LENGTH = 71
# The last field of a zip without a comment, the comment's length.
_NO_COMMENT = b"\0\0"
_PIECE = 1 << 20


class SealingFile:
    """A file that hashes what is written to it, front to back, and writes the hash behind it.

    Args:
        file: Opened for writing, empty.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Append ``data``."""
        self._digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Pass on what is buffered."""
        self._file.flush()

    def seal(self) -> None:
        """Write the hash of the whole as the comment of the zip that was written."""
        seal = b"sha256:" + self._digest.hexdigest().encode()
        self._file.seek(-len(_NO_COMMENT), os.SEEK_END)
        self._file.write(struct.pack("<H", len(seal)) + seal)
        self._file.flush()


def is_unbroken(path: str | Path) -> bool | None:
    """Whether the bytes of a file are those that were sealed; None where it has no seal."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        body = size - _LENGTH - len(_NO_COMMENT)
        if body < 0:
            return None
        file.seek(body + len(_NO_COMMENT))
        seal = _SEAL.match(file.read())
        if seal is None:
            return None
        digest = hashlib.sha256()
        file.seek(0)
        while body:
            piece = file.read(min(body, _PIECE))
            digest.update(piece)
            body -= len(piece)
        digest.update(_NO_COMMENT)
    return digest.hexdigest().encode() == seal[1]
