"""Files that are either whole or absent, and line logs that survive a kill."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from records.disk import writing
from records.limits import check_size


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is fsynced and renamed over ``path``.

    The temporary file stands on the same file system, so the rename is atomic even where ``$TMPDIR`` is elsewhere. A
    full disk is told in one sentence (:class:`records.disk.DiskFull`), and what stood at ``path`` stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def parse_json(data: bytes) -> Any:
    """The value of JSON text.

    Raises:
        ValueError: It is no JSON in UTF-8, is nested too deeply, or holds half of a pair that stands for one letter.
    """
    try:
        value = json.loads(data.decode("utf-8-sig"))
        if b"\\u" in data:  # such a half could be read, but written nowhere
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def read_json(path: str | Path) -> Any:
    """Read one JSON file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON.
        UserError: It is no file, or too large.
    """
    path = Path(path)
    check_size(path, "TEXT_BYTES")
    return parse_json(path.read_bytes())


def append_line(path: str | Path, value: Any) -> None:
    """Append ``value`` as one JSON line and fsync, so that a kill loses at most the line being written."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path), open(path, "ab+") as file:
        # A torn last line of a killed writer must not swallow this one.
        if file.tell() and not _ends_with_newline(path):
            file.write(b"\n")
        file.write((json.dumps(value, ensure_ascii=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _ends_with_newline(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def read_lines(path: str | Path) -> list[Any]:
    """Read a JSON-lines file, passing over torn lines; an absent file is empty."""
    path = Path(path)
    if not path.exists():
        return []
    check_size(path, "TEXT_BYTES")
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            rows.append(parse_json(line))
        except ValueError:
            continue
    return rows


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """Those lines of a JSON-lines file that are objects, which is all that we write into most of them."""
    return [row for row in read_lines(path) if isinstance(row, dict)]
