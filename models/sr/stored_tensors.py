"""Files of safetensors, opened with one sentence for whatever is wrong with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def open_tensors(path: str | Path) -> Iterator[Any]:
    """A file of safetensors; nothing of it is read before it is asked for.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is none, or what is done with it finds it damaged; names the file.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file of tensors {path}")
    try:
        with safe_open(str(path), framework="pt") as stored:
            yield stored
    except (SafetensorError, OSError, RecursionError, TypeError, KeyError) as error:
        told = (str(error).splitlines() or [""])[0][:200]
        raise ValueError(f"{path} is no readable file of safetensors ({type(error).__name__}: {told})") from error
