"""Two candidates of an image beside its files, and samples of all of them cut alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.image.crop import Crop
from datamodules.image.files import ImageFiles, find_pairs, find_wild
from datamodules.image.layout import Layout
from datamodules.video.draw import Draw
from records.candidates import KINDS, Candidate, CandidateSet
from records.errors import UserError
from records.images import UnreadableImage, read_image, to_tensor


@dataclass(frozen=True)
class CandidateFiles(ImageFiles):
    """One image with its candidates.

    Args:
        psnr: The faithful candidate.
        per: The perceptual one.
        size: Height and width of both as they were written, pixels.
        seen: Whether what made them was trained on this image; None where that is not known.
        maker: SHA-256 of the checkpoint that made them.
    """

    psnr: Path
    per: Path
    size: tuple[int, int]
    seen: bool | None
    maker: str

    @property
    def sources(self) -> tuple[Path, ...]:
        """The files that it is restored from."""
        return (self.path, self.psnr, self.per)


def find_candidates(
    sets: Sequence[CandidateSet], truth: Path, layout: Layout, split: str, exclude_seen: bool
) -> list[CandidateFiles]:
    """Images of a split that have candidates, by id.

    Where several folders have an image, the first counts whose maker did not see it, else the first.

    Args:
        sets: Folders of candidates, the preferred one first.
        truth: Root of the data that they were made of.
        layout: Its folders and names.
        split: The split.
        exclude_seen: Leave out candidates whose maker saw the image.

    Raises:
        UserError: The data has no image of such an id.
    """
    chosen: dict[str, tuple[CandidateSet, Candidate]] = {}
    for preferred in (False, True):
        for each in sets:
            for image in each.images:
                if image.split == split and bool(image.seen) is preferred and not (image.seen and exclude_seen):
                    chosen.setdefault(image.id, (each, image))
    known = _truths(truth, layout, split, (image for _, image in chosen.values()))
    found = []
    for id, (each, image) in sorted(chosen.items()):
        if id not in known:
            told = f"candidates of {id}, which is not among the {split} images of {truth}"
            raise UserError(told, where=str(each.root), mend="give the root that they were made of as truth")
        files = vars(known[id]) | {kind: each.root / image.path(kind) for kind in KINDS}
        files |= {"scale": image.scale, "size": image.size, "seen": image.seen}
        found.append(CandidateFiles(**files, maker=str(each.maker.get("checkpoint"))))
    return found


def _truths(truth: Path, layout: Layout, split: str, images: Iterable[Candidate]) -> dict[str, ImageFiles]:
    domains = {image.domain for image in images}
    pairs = find_pairs(truth, layout, split, 1) if "synthetic" in domains else []
    wild = find_wild(truth, layout, split, 1) if "wild" in domains else []
    return {image.id: image for image in (*pairs, *wild)}


class CandidateCrops:
    """Cuts, turns and mirrors candidates, LR and HR alike, as drawn from (seed, epoch, id).

    Args:
        crop: Side of the window of HR, pixels, a multiple of every image's scale.
        seed: Seed of the run.
    """

    def __init__(self, crop: int, seed: int) -> None:
        self.crop, self.seed = crop, seed

    def __call__(self, image: ImageFiles, epoch: int) -> dict[str, Any]:
        """Make one sample.

        Returns:
            ``id``, ``psnr``, ``per`` and ``hr`` (3, crop, crop), ``lr`` (3, crop / scale, crop / scale), float32 in
            [0, 1].

        Raises:
            UnreadableImage: A file gives no picture, or its size does not fit.
        """
        pictures = _pictures(image)
        draw = Draw(seed=self.seed, epoch=epoch, id=image.id, train=True)
        low = Crop.drawn(draw, pictures["lr"].shape[:2], self.crop // image.scale)
        high = low.enlarged(image.scale)
        cut = {name: (low if name == "lr" else high).cut(picture) for name, picture in pictures.items()}
        return {"id": image.id, **{name: to_tensor(picture) for name, picture in cut.items()}}


class WholeCandidates:
    """Whole images for evaluation, a batch of one each."""

    def __call__(self, image: ImageFiles, epoch: int = 0) -> dict[str, Any]:
        """Make one batch.

        Returns:
            ``id``, ``domain`` and ``content`` (lists of one), ``scale``, ``lr`` (1, 3, h, w), ``psnr``, ``per`` and,
            where there is a truth, ``hr`` (1, 3, h * scale, w * scale), float32 in [0, 1].

        Raises:
            UnreadableImage: A file gives no picture, or its size does not fit.
        """
        names = {"id": [image.id], "domain": [image.domain], "content": [image.content], "scale": image.scale}
        return names | {name: to_tensor(picture)[None] for name, picture in _pictures(image).items()}


def _pictures(image: ImageFiles) -> dict[str, np.ndarray]:
    assert isinstance(image, CandidateFiles) and image.lr is not None
    files = {"lr": image.lr, "psnr": image.psnr, "per": image.per} | ({"hr": image.hr} if image.hr else {})
    pictures = {name: read_image(path) for name, path in files.items()}
    for name, picture in pictures.items():
        size, wanted = picture.shape[:2], image.size
        if name == "lr":
            wanted = wanted[0] // image.scale, wanted[1] // image.scale
        if size != wanted:
            raise UnreadableImage(f"{name} is {size[1]}x{size[0]} pixels, not {wanted[1]}x{wanted[0]}")
    return pictures
