"""Files of safetensors: written with the hash of their bytes, opened with one sentence for whatever is wrong with them.

The hash stands in the file's metadata, as ``sugc.sha256``: of the whole file, with zeros where the hash itself stands.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

KEY = "sugc.sha256"
_ZEROS = "0" * 64
_STORED = re.compile(rb'"sugc\.sha256":"([0-9a-f]{64})"')
# The length of what stands before the tensors, and how long that may be at most, as safetensors itself has it.
_LENGTH, _LONGEST = 8, 100_000_000
_PIECE = 1 << 20


def write_tensors(tensors: Mapping[str, Tensor], path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors, and the hash of the file into it; the same tensors and metadata always make the same bytes.

    Args:
        tensors: By name.
        path: File; not atomic, so give one that is renamed afterwards.
        metadata: What travels with them.
    """
    from safetensors.torch import save_file

    stored = {name: value.detach().contiguous().cpu() for name, value in tensors.items()}
    save_file(stored, str(path), metadata={**(metadata or {}), KEY: _ZEROS})
    _sort_metadata(path)
    place, _ = _noted(path)
    assert place is not None
    digest = _hash(path, place)
    with open(path, "rb+") as file:
        file.seek(place)
        file.write(digest.encode())


@contextmanager
def open_tensors(path: str | Path) -> Iterator[Any]:
    """A file of safetensors; its hash is checked, where it has one, and no tensor is kept before it is asked for.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is none, or what is done with it finds it damaged; names the file.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file of tensors {path}")
    try:
        with safe_open(str(path), framework="pt") as stored:
            _check(path)
            yield stored
    except (SafetensorError, OSError, RecursionError, TypeError, KeyError) as error:
        told = (str(error).splitlines() or [""])[0][:200]
        raise ValueError(f"{path} is no readable file of safetensors ({type(error).__name__}: {told})") from error


def _sort_metadata(path: str | Path) -> None:
    """Put the metadata in order: safetensors writes it in one that is drawn anew each time."""
    with open(path, "rb+") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(text) <= length
        file.seek(_LENGTH)
        file.write(text.ljust(length))


def _check(path: str | Path) -> None:
    place, noted = _noted(path)
    if place is not None and _hash(path, place) != noted:
        raise ValueError(
            f"{path} is damaged: its bytes are not those that were written; copy it again, or make it anew"
        )


def _noted(path: str | Path) -> tuple[int | None, str]:
    """Where in a file its hash stands, and which; None for a file that has none."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        match = _STORED.search(file.read(min(length, _LONGEST)))
    return (None, "") if match is None else (_LENGTH + match.start(1), match[1].decode())


def _hash(path: str | Path, place: int) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        digest.update(file.read(place))
        digest.update(_ZEROS.encode())
        file.seek(len(_ZEROS), 1)
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
