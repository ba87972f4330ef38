"""Making the seven files of one content, in a process of its own."""

import functools
import multiprocessing
import os
import shutil
import signal
import threading
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from experiments.ladder.encode import encode_all
from experiments.ladder.plan import Content
from records.disk import MEND, DiskFull, is_disk_full
from records.errors import UserError
from records.files import read_json, write_json
from records.hashing import file_hash

WORK = ".work"


def record_path(root: Path, content: Content) -> Path:
    """Where it is noted that a content is done, or why it cannot be, until the manifest is written."""
    return root / WORK / f"{content.group}.json"


def read_record(root: Path, content: Content) -> dict[str, Any] | None:
    """What is noted of a content; None where nothing is, or where files of it are gone."""
    path = record_path(root, content)
    if not path.is_file():
        return None
    record: dict[str, Any] = read_json(path)
    return record if "error" in record or is_there(root, content) else None


def is_there(root: Path, content: Content) -> bool:
    """Whether all files of a content are."""
    return all((root / name).is_file() for name in content.names)


def make_content(root: Path, content: Content) -> None:
    """Write the files of a content and then its record; what is wrong with the clip is noted there, not raised.

    Raises:
        DiskFull: There is no room for them.
    """
    _end_with_parent()
    record: dict[str, Any]
    try:
        record = _make(root, content)
    except Exception as error:  # a decoder's own failure must not end the work on thousands
        if is_disk_full(error):
            raise DiskFull("the disk is full", where=str(root), mend=MEND) from error
        told = error.what if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        record = {"source": content.source, "error": told}
    for name in content.names:
        _part(root, name).unlink(missing_ok=True)
    write_json(record_path(root, content), record)


def note_death(root: Path, content: Content) -> None:
    """Note that the process that made a content died of it."""
    record = {"source": content.source, "error": "the process died of it: out of memory, or a fault of the decoder"}
    write_json(record_path(root, content), record)


def _make(root: Path, content: Content) -> dict[str, Any]:
    original, *encodings = content.names
    targets = dict(zip((_part(root, name) for name in encodings), content.quantisers, strict=True))
    frames = encode_all(content.path, targets)
    shutil.copyfile(content.path, _part(root, original))
    versions = {}
    for rank, name in enumerate(content.names):
        part = _part(root, name)
        quantiser = content.quantisers[rank - 1] if rank else None
        versions[name] = {"rank": rank, "qp": quantiser, "bytes": part.stat().st_size, "sha256": file_hash(part)}
    for name in content.names:
        os.replace(_part(root, name), root / name)
    # Names were drawn; in their own order, neither this file nor the folder tells which is which.
    return {"source": content.source, "frames": frames, "versions": dict(sorted(versions.items()))}


def _part(root: Path, name: str) -> Path:
    return root / WORK / name.replace("/", "-")


@functools.cache
def _end_with_parent() -> None:
    """End this process when the one that it works for is gone, and leave Ctrl-C to that one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()
