"""Arrays of NumPy's own files, refused where their header claims more than the file holds."""

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from records.limits import limit, raised


def read_array(path: str | Path) -> np.ndarray:
    """The array of an ``.npy`` file.

    Raises:
        ValueError: It is none of plain numbers.
    """
    path = Path(path)
    with _as_value_error(), path.open("rb") as file:
        return _read(file, path.stat().st_size)


def array_names(path: str | Path) -> list[str]:
    """Names of the arrays of an ``.npz`` file.

    Raises:
        ValueError: It is none.
    """
    with _as_value_error(), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def read_array_of(path: str | Path, name: str) -> np.ndarray:
    """One array of an ``.npz`` file.

    Raises:
        ValueError: It is none of plain numbers, or larger than allowed.
    """
    with _as_value_error(), zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{name}.npy" if f"{name}.npy" in archive.NameToInfo else name)
        if info.file_size > limit("TABLE_BYTES"):
            told = f"the array {name!r} unpacks to {info.file_size} bytes, over {limit('TABLE_BYTES')}"
            raise ValueError(f"{told}; {raised('TABLE_BYTES')}")
        with archive.open(info) as file:
            return _read(file, info.file_size)


def _read(file: IO[bytes], size: int) -> np.ndarray:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, kind = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"its version {version} is not known")
    if kind.hasobject or min(shape, default=0) < 0 or math.prod(shape) * max(1, kind.itemsize) > size:
        raise ValueError(f"it claims to hold {shape} of {kind}")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


@contextmanager
def _as_value_error() -> Iterator[None]:
    try:
        yield
    except ValueError:
        raise
    except Exception as error:  # damaged archives and headers show in many ways
        told = (str(error).splitlines() or [""])[0][:200]
        raise ValueError(f"is no file of arrays ({type(error).__name__}: {told})") from None
