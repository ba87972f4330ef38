"""The images of a split: pairs matched by name, wild ones, own folders; each with its files and its id."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datamodules.image.layout import Layout
from records.errors import UserError
from records.images import SUFFIXES, find_images
from records.places import check_name

Domain = Literal["synthetic", "wild"]


@dataclass(frozen=True)
class ImageFiles:
    """One image.

    Args:
        id: Path of its LR, or of its HR where there is no LR, relative to the root.
        lr: Low-resolution file; None where it is to be made of ``hr``.
        hr: High-resolution file; None where there is no truth.
        domain: ``synthetic`` for images of pairs, ``wild`` for others.
        scale: Sides of the restored image over those of ``lr``.
        content: What it shows.
    """

    id: str
    lr: Path | None
    hr: Path | None
    domain: Domain
    scale: int
    content: str

    @property
    def path(self) -> Path:
        """The file that its id is of."""
        path = self.lr or self.hr
        assert path is not None
        return path

    @property
    def sources(self) -> tuple[Path, ...]:
        """The files that it is restored from."""
        return (self.path,)


def find_pairs(root: Path, layout: Layout, split: str, scale: int) -> list[ImageFiles]:
    """Pairs of a split, by name.

    Where one of the two folders holds nothing, the images of the other come alone: LR without truth, or HR of which
    LR is to be made.

    Raises:
        UserError: An image has no counterpart, or two have one name.
    """
    folders = {kind: layout.folder(root, kind, split) for kind in ("lr", "hr")}
    lr, hr = _by_name(folders["lr"], layout.lr_ending), _by_name(folders["hr"], layout.hr_ending)
    if lr and hr:
        _refuse_lone("HR", lr, hr, folders["hr"])
        _refuse_lone("LR", hr, lr, folders["lr"])
    found = []
    for name in sorted(lr.keys() | hr.keys()):
        path = lr.get(name) or hr[name]
        id = path.relative_to(root).as_posix()
        content = layout.content_of(hr.get(name, path), id)
        found.append(ImageFiles(id, lr.get(name), hr.get(name), "synthetic", scale, content))
    return found


def find_wild(root: Path, layout: Layout, split: str, scale: int) -> list[ImageFiles]:
    """Wild images of a split, by name.

    Raises:
        UserError: Two have one name.
    """
    paths = _by_name(layout.folder(root, "wild", split), "")
    ids = {path.relative_to(root).as_posix(): path for _, path in sorted(paths.items())}
    return [ImageFiles(id, path, None, "wild", scale, layout.content_of(path, id)) for id, path in ids.items()]


def find_own(root: Path, folders: Iterable[str | Path], scale: int) -> list[ImageFiles]:
    """High-resolution images in any folders, to be degraded.

    Args:
        root: Data root; the id of an image below it is relative to it, of another it begins with its folder's name.
        folders: The folders.
        scale: Divisor of the sides.

    Raises:
        UserError: A folder is missing or holds no image, or two images have one id.
    """
    where, found = "data.init_args.hr_folders", dict[str, Path]()
    for folder in map(Path, folders):
        paths = find_images(folder)
        if not paths:
            what = "no image in it" if folder.is_dir() else "no such folder"
            raise UserError(what, where=f"{where}: {folder}", mend="give folders of high-resolution images")
        for path in paths:
            _add(found, _id(path, root, Path(folder.resolve().name, path.relative_to(folder))), path, where)
    return [ImageFiles(id, None, path, "synthetic", scale, id) for id, path in found.items()]


def find_named(root: Path, paths: Iterable[str | Path], domain: Domain, scale: int) -> list[ImageFiles]:
    """Images among files and in folders, to be restored.

    Args:
        root: Data root; the id of an image below it is relative to it, of another to the folder it was found in, and of
            another file as it was given.
        paths: Files, taken whatever their name, and folders.
        domain: What the images are taken for.
        scale: Sides of the restored images over theirs.

    Raises:
        UserError: A path does not exist, nothing is found, or two images have one id.
    """
    where, found = "data.init_args.predict_paths", dict[str, Path]()
    for given in map(Path, paths):
        if not given.exists():
            raise UserError("no such file or folder", where=f"{where}: {given}", mend="mend the path")
        for path in find_images(given) if given.is_dir() else [given]:
            _add(found, _id(path, root, path.relative_to(given) if given.is_dir() else path), path, where)
    if not found:
        told = f"no image found, that is no {' '.join(sorted(SUFFIXES))}"
        raise UserError(told, where=where, mend="give image files, or a folder that holds some")
    return [ImageFiles(id, path, None, domain, scale, id) for id, path in found.items()]


def _by_name(folder: Path, ending: str) -> dict[str, Path]:
    """Path below the folder, without suffix and ending, to file."""
    found: dict[str, Path] = {}
    for path in find_images(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if not name.endswith(ending):
            continue
        first = found.setdefault(name.removesuffix(ending), check_name(path))
        if first is not path:
            told = f"{first.name} and {path.name} have one name"
            raise UserError(told, where=str(path.parent), mend="keep one of them, or rename it")
    return found


def _refuse_lone(lacking: str, there: dict[str, Path], others: dict[str, Path], folder: Path) -> None:
    lone = sorted(there.keys() - others.keys())
    if lone:
        raise UserError(
            f"{len(lone)} of {len(there)} images have no {lacking} of the same name, for example {there[lone[0]]}",
            where=str(folder),
            mend=f"put {lacking} {Path(lone[0]).name!r} there, or remove the other",
        )


def _id(path: Path, root: Path, otherwise: Path) -> str:
    full, top = path.resolve(), root.resolve()
    return (full.relative_to(top) if full.is_relative_to(top) else otherwise).as_posix()


def _add(found: dict[str, Path], id: str, path: Path, where: str) -> None:
    first = found.setdefault(id, check_name(path))
    if first.resolve() != path.resolve():
        raise UserError(f"{first} and {path} are both named {id!r}", where=where, mend="rename a folder or a file")
