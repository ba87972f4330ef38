"""Published weights for the video trunks: from a local file, by a map of names, all of them or none."""

import re
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from models.vqa.weights import read_state

SHOWN = 8  # names of one kind that an error lists; a wrong file has hundreds


def load_published(
    trunk: nn.Module, path: str | Path, publisher: str, published: Callable[[str], str], left_out: str = r"(?!)"
) -> None:
    """Give a trunk the weights of a local file, strictly.

    Args:
        trunk: Network that takes them.
        path: ``.pth``, ``.pyth`` (read without unpickling code) or ``.safetensors``.
        publisher: Whose weights they should be, for the error.
        published: Name of one of the trunk's tensors to its name in the file.
        left_out: Regular expression of names in the file that the trunk has no use for, such as a classifier's.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no file of weights; or tensors are missing, unknown or of another shape, and their names in
            the file are listed.
    """
    trunk.load_state_dict(matched(trunk, read_state(path), path, publisher, published, left_out))


def matched(
    trunk: nn.Module,
    state: dict[str, Tensor],
    path: str | Path,
    publisher: str,
    published: Callable[[str], str],
    left_out: str = r"(?!)",
) -> dict[str, Tensor]:
    """State of a file under the trunk's own names; see ``load_published`` for the arguments and the errors."""
    wanted = {name: published(name) for name in trunk.state_dict()}
    shapes = {wanted[name]: value.shape for name, value in trunk.state_dict().items()}
    missing = [name for name in shapes if name not in state]
    unknown = [name for name in state if name not in shapes and not re.match(left_out, name)]
    other = [
        f"{name} ({_size(state[name].shape)}, not {_size(shape)})"
        for name, shape in shapes.items()
        if name in state and state[name].shape != shape
    ]
    kinds = (("missing", missing), ("unknown", unknown), ("of another shape", other))
    problems = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds if names]
    if problems:
        raise ValueError(f"{path} does not hold the weights of {publisher}; {'; '.join(problems)}")
    return {name: state[theirs] for name, theirs in wanted.items()}


def _listed(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
