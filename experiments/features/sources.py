"""Features of other programs by video: a folder of .npy files, or one .npz."""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from experiments.features.layouts import Layout
from records.arrays import array_names, read_array, read_array_of
from records.errors import UserError

Read = Callable[[], np.ndarray]


def find_features(source: Path, layout: Layout, tokens: int, below: str = "") -> dict[str, Read]:
    """Name of each video to what reads its rows.

    Args:
        source: Folder, in which a video is ``NAME.npy`` or a folder ``NAME`` with one file a frame; or ``.npz`` with
            an array for each name.
        layout: How the expert files its frames.
        tokens: Frames to read of a folder; those after them are left alone, as by RQ-VQA.
        below: Folder of the data set that all names are meant to be in.

    Raises:
        UserError: There is no such source, or nothing is in it.
    """
    found: dict[str, Read] = {}
    if source.is_file() and source.suffix == ".npz":
        try:
            names = array_names(source)
        except ValueError as error:
            mend = "save it anew by numpy.savez"
            raise UserError(str(error), where=f"--from {source}", mend=mend) from None
        for name in names:
            found[name] = lambda name=name: read_array_of(source, name)  # type: ignore[misc]
    elif source.is_dir():
        first = layout.frame.format(0) if layout.frame else None
        frames = {path.parent for path in source.rglob(first)} if first else set()
        for folder in sorted(frames):
            found[_name(folder, source)] = lambda folder=folder: _frames(folder, layout, tokens)  # type: ignore[misc]
        for path in sorted(source.rglob("*.npy")):
            if path.parent not in frames:
                found[_name(path.with_suffix(""), source)] = lambda path=path: _load(path)  # type: ignore[misc]
    else:
        raise UserError("is neither a folder nor an .npz file", where=f"--from {source}", mend="mend the path")
    if not found:
        raise UserError("holds no features", where=f"--from {source}", mend="give the folder of .npy files")
    return {str(PurePosixPath(below) / name): read for name, read in found.items()}


def match(names: Iterable[str], ids: Iterable[str]) -> dict[str, str]:
    """Id to the name of its features: the id itself, or the id without its suffix where only one id is left so."""
    ids = list(ids)
    stems: dict[str, list[str]] = {}
    for id in ids:
        stems.setdefault(str(PurePosixPath(id).with_suffix("")), []).append(id)
    known = set(ids)
    found = {}
    for name in names:
        alone = stems.get(name, [])
        if name in known:
            found[name] = name
        elif len(alone) == 1:
            found.setdefault(alone[0], name)
    return found


def row_of(array: np.ndarray, layout: Layout, tokens: int) -> np.ndarray:
    """The row of one video: float32 (tokens, width).

    Args:
        array: As the program made it; its last axis is the width.
        layout: What the expert gives.
        tokens: Tokens of a row; where the layout has any number, equal runs of them are averaged to so many.

    Raises:
        ValueError: Says how it differs from what the expert gives.
    """
    if not array.ndim or array.dtype.kind not in "fiu" or array.shape[-1] not in layout.widths:
        widths = " or ".join(map(str, layout.widths))
        raise ValueError(f"has shape {array.shape} of {array.dtype}, not numbers with {widths} features")
    rows = array.reshape(-1, array.shape[-1]).astype(np.float32)
    if layout.tokens is None:
        if len(rows) < tokens:
            raise ValueError(f"has {len(rows)} rows, fewer than the {tokens} asked for")
        return np.stack([run.mean(axis=0, dtype=np.float64) for run in np.array_split(rows, tokens)]).astype(np.float32)
    if len(rows) != tokens:
        raise ValueError(f"has {len(rows)} rows instead of {tokens}")
    return rows


def _frames(folder: Path, layout: Layout, tokens: int) -> np.ndarray:
    paths = [folder / layout.frame.format(place) for place in range(tokens)]
    if lacking := [path.name for path in paths if not path.is_file()]:
        raise ValueError(f"lacks {', '.join(lacking)}")
    return np.stack([_load(path).squeeze() for path in paths])


def _load(path: Path) -> np.ndarray:
    try:
        return read_array(path)
    except ValueError as error:
        raise ValueError(f"is no .npy file of numbers ({error})") from None


def _name(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix()
