"""Which file is what: a submission's pictures beside their originals, by domain and base name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metrics.rank_pairs import listing
from records.errors import UserError
from records.files import read_json
from records.images import UnreadableImage, find_images, read_image

DOMAINS = ("synthetic", "wild")
Files = Mapping[tuple[str, str], Path]


class Item(NamedTuple):
    """One picture of a submission.

    Attributes:
        domain: ``synthetic`` or ``wild``.
        stem: Base name without extension.
        file: What was submitted.
        truth: Original of a synthetic picture; of a wild one its input, which is of the same size; None without any.
        lr: Input, None where none is known.
        group: Photograph it is cut from; the picture itself where no manifest tells.
    """

    domain: str
    stem: str
    file: Path
    truth: Path | None
    lr: Path | None
    group: str

    @property
    def id(self) -> str:
        """``synthetic/name``."""
        return f"{self.domain}/{self.stem}"


def files_of(root: Path, kind: str = "hr") -> dict[tuple[str, str], Path]:
    """Pictures of a folder by domain and base name.

    Args:
        root: Holds ``synthetic/`` and ``wild/``; in a split folder of KwaiSR ``synthetic/`` holds ``hr/`` and ``lr/``.
        kind: Which of the two to take there.

    Raises:
        UserError: It holds neither folder, or two pictures of one base name.
    """
    folders = {name: root / name for name in DOMAINS if (root / name).is_dir()}
    if not folders:
        splits = [name for name in ("test", "val", "train") if (root / name).is_dir()]
        mend = (
            f"name a split, such as {root / splits[0]}" if splits else "name the folder that holds synthetic/ or wild/"
        )
        what = "holds neither a folder synthetic nor a folder wild" if root.is_dir() else "no such folder"
        raise UserError(what, where=str(root), mend=mend)
    if "synthetic" in folders and (folders["synthetic"] / kind).is_dir():
        folders["synthetic"] /= kind
    found: dict[tuple[str, str], Path] = {}
    twice = []
    for domain, folder in folders.items():
        for path in find_images(folder):
            if (domain, path.stem) in found:
                twice.append(f"{domain}/{path.stem}")
            found[domain, path.stem] = path
    if twice:
        what = told(twice, "picture is there twice", "pictures are there twice")
        raise UserError(what, where=str(root), mend="keep one file of each name")
    return found


def match(submission: Path, wanted: Files, lr: Files, truth: Path, scale: int) -> list[Item]:
    """Pictures of a submission in the order of their names, checked by reading each one.

    Args:
        submission: Folder with ``synthetic/`` and ``wild/``; a domain that either side lacks is left out.
        wanted: Files whose base names and sizes the submission must have (originals, or inputs where none are known).
        lr: Inputs.
        truth: Folder of ``wanted``; a manifest there or above tells the photographs.
        scale: Sides of a synthetic picture over those of its input, where inputs stand in for originals.

    Raises:
        UserError: Pictures are missing, not asked for, unreadable or of another size; names them.
    """
    submitted = files_of(submission)
    domains = [d for d in DOMAINS if any(key[0] == d for key in submitted) and any(key[0] == d for key in wanted)]
    if not domains:
        what = f"has no picture of a domain that {truth} has"
        raise UserError(
            what, where=str(submission), mend="put the pictures into synthetic/ and wild/ as they are there"
        )
    names = {key: f"{key[0]}/{key[1]}" for key in (*submitted, *wanted)}
    asked = [key for key in wanted if key[0] in domains]
    there = [key for key in asked if key in submitted]
    unreadable, sizes = [], []
    for key in there:
        shapes = []
        for path in (submitted[key], wanted[key]):
            try:
                shapes.append(read_image(path).shape[:2])
            except UnreadableImage as error:
                unreadable.append(f"{path}: {error}")
        if len(shapes) == 2:
            factor = scale if wanted[key] == lr.get(key) and key[0] == "synthetic" else 1
            right = tuple(side * factor for side in shapes[1])
            if shapes[0] != right:
                sizes.append(f"{names[key]}: {_size(shapes[0])} instead of {_size(right)}")
    missing = [names[key] for key in asked if key not in submitted]
    extra = [names[key] for key in submitted if key[0] in domains and key not in wanted]
    faults = [
        told(missing, "picture is missing", "pictures are missing"),
        told(extra, "picture is not asked for", "pictures are not asked for"),
        told(unreadable, "file gives no picture", "files give no picture"),
        told(sizes, "picture has a wrong size", "pictures have a wrong size"),
    ]
    if any(faults):
        what = ", and ".join(filter(None, faults))
        raise UserError(what, where=str(submission), mend="give one picture of the right size for each original")
    groups = _groups(truth)
    items = []
    for key in sorted(there):
        original = wanted[key]
        group = groups.get(original.resolve(), names[key])
        is_input = key[0] == "synthetic" and original == lr.get(key)
        items.append(Item(*key, submitted[key], None if is_input else original, lr.get(key), group))
    return items


def told(names: Sequence[str], one: str, many: str) -> str:
    """``3 pictures ... (a, b, c)``, at most ten of them named; empty without names."""
    return f"{len(names)} {one if len(names) == 1 else many} ({listing(names)})" if names else ""


def read(path: Path) -> np.ndarray:
    """Picture of a file that was checked before.

    Raises:
        UserError: It is no longer one.
    """
    try:
        return read_image(path)
    except UnreadableImage as error:
        raise UserError(str(error), where=str(path), mend="write it again") from None


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _groups(truth: Path) -> dict[Path, str]:
    """Photograph of each file that the nearest ``manifest.json`` at or above a folder tells of."""
    for root in (truth, *truth.resolve().parents[:2]):
        if (root / "manifest.json").is_file():
            try:
                manifest: Any = read_json(root / "manifest.json")
                told_of = [(row["hr"], row["name"]) for row in manifest["pairs"].values()]
                told_of += [(name, row["name"]) for name, row in manifest["wild"].items()]
                return {(root / file).resolve(): str(group) for file, group in told_of}
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                return {}
    return {}
