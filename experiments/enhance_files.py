"""Which pictures are read, and where each result goes: below one folder, and each to a file of its own."""

from collections.abc import Sequence
from pathlib import Path

from records.errors import UserError
from records.images import find_images
from records.places import check_name

_MEND = "give another folder as --out"


def plan(paths: Sequence[Path], out: Path) -> dict[str, Path]:
    """Pictures by the name of their result.

    A file ``a/b.jpg`` goes to ``b.png``; of a folder, ``folder/x/y.jpg`` goes to ``x/y.png``. Where ``out`` lies in a
    folder that is searched, what it holds is left out.

    Args:
        paths: Files, and folders to search.
        out: Folder of the results.

    Returns:
        Path of the result relative to ``out``, with ``/``, to the file that is read, in the order of reading.

    Raises:
        UserError: A path does not exist, nothing is found, two pictures share a result, or a result would fall outside
            of ``out`` or onto a picture that is read.
    """
    if out.exists() and not out.is_dir():
        raise UserError("is no folder", where=f"--out {out}", mend=_MEND)
    top = out.resolve()
    found: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            if path.resolve() == top:
                raise UserError("is the folder that is read", where=f"--out {out}", mend=_MEND)
            inside = find_images(path)
            if _below(top, path.resolve()):
                inside = [file for file in inside if not _below(file.parent.resolve(), top)]
            pairs = [(file.relative_to(path).with_suffix(".png"), file) for file in inside]
        elif path.is_file():
            pairs = [(Path(path.name).with_suffix(".png"), path)]
        else:
            raise UserError("no such file or folder", where=str(path), mend="give pictures, or folders of them")
        for result, file in pairs:
            known = found.setdefault(result.as_posix(), check_name(file))
            if known.resolve() != file.resolve():
                raise UserError(
                    f"{known} and {file} would both be written to {result.as_posix()}",
                    mend="rename one of them, or use two calls with another --out",
                )
    if not found:
        raise UserError("no picture found", where=" ".join(map(str, paths)), mend="give pictures, or folders of them")
    read = {file.resolve() for file in found.values()}
    for name, file in found.items():
        place = (top / name).parent.resolve() / Path(name).name
        if not _below(place, top):
            raise UserError(f"its result {name} would fall outside of {out}, by a link", where=str(file), mend=_MEND)
        if place in read:
            raise UserError(f"its result {name} would replace {place.name}, which is read", where=str(file), mend=_MEND)
    return found


def _below(path: Path, top: Path) -> bool:
    return path == top or top in path.parents
