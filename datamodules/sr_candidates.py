"""Stored candidates with the truth they should come near to, as a Lightning data module."""

from collections.abc import Sequence
from typing import Literal

from datamodules.image.candidates import CandidateCrops, CandidateFiles, WholeCandidates, find_candidates
from datamodules.image.dataset import OnUnreadable
from datamodules.image.files import Domain, ImageFiles
from datamodules.image.layout import SPLITS, Layout
from datamodules.image.module import ImageDataModule
from datamodules.image.sizes import Sizes
from datamodules.launch_checks import KEYS, check_range
from records.candidates import FILE, CandidateSet, read_candidates
from records.errors import UserError
from records.hashing import file_hash, value_hash
from records.lineage import Input

PUBLISHED = Layout()


class SRCandidatesDataModule(ImageDataModule):
    """Both candidates of every image, as ``callbacks.candidates.CandidateWriter`` writes them, and the images' truth.

    A training batch holds ``id``, ``psnr``, ``per`` and ``hr`` (batch, 3, crop, crop) and ``lr`` (batch, 3, crop /
    scale, crop / scale) of synthetic images; an evaluation batch one whole image: these, ``domain``, ``content`` and
    ``scale``, without ``hr`` where there is no truth. Pixels are float32 RGB in [0, 1].

    A fusion should learn from candidates of images that what made them was not trained on. With several folders, one
    for each fold of a cross-fit, every image is taken from the first whose maker did not see it.

    Args:
        roots: Folders of candidates, the preferred one first.
        truth: Root of the images that they were made of.
        crop: Side of the window of HR that training cuts, pixels, a multiple of the scale.
        batch_size: Training samples in a batch of one rank; evaluation reads whole images one by one.
        layout: Folder and file names below ``truth``.
        exclude_seen: Do not train on candidates of images that their maker was trained on.
        epoch_size: Training samples of an epoch on all ranks together, each cut anew; null for one of each image.
        eval_domains: What validation and test look at; wild images have no truth.
        predict_split: Split that is predicted; ``all`` for every one.
        predict_domains: What is predicted of it.
        on_unreadable: ``substitute`` trains on another image instead, and evaluation passes over the file; ``fail``
            ends the run at the first.
        unreadable_share: Share of a split that may be unreadable, 0..1; one file always may.
        num_workers: Reading processes of each loader; the samples do not depend on it.
        seed: Seed of order and windows; null takes ``seed_everything``.
    """

    def __init__(
        self,
        roots: list[str],
        truth: str,
        crop: int = 256,
        batch_size: int = 8,
        layout: Layout = PUBLISHED,
        exclude_seen: bool = False,
        epoch_size: int | None = None,
        eval_domains: Sequence[Domain] = ("synthetic",),
        predict_split: Literal["train", "val", "test", "all"] = "test",
        predict_domains: Sequence[Domain] = ("synthetic", "wild"),
        on_unreadable: OnUnreadable = "substitute",
        unreadable_share: float = 0.05,
        num_workers: int = 2,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            truth,
            batch_size=batch_size,
            epoch_size=epoch_size,
            on_unreadable=on_unreadable,
            unreadable_share=unreadable_share,
            num_workers=num_workers,
            seed=seed,
        )
        check_range(1, crop=crop)
        layout.check()
        if not roots:
            raise UserError("no folder of candidates", where=f"{KEYS}.roots", mend="give at least one")
        self.roots, self.crop, self.layout, self.exclude_seen = list(roots), crop, layout, exclude_seen
        self.eval_domains, self.predict_domains = tuple(eval_domains), tuple(predict_domains)
        self.predict_split = predict_split
        self._sets: list[CandidateSet] = []
        self._found: dict[str, list[CandidateFiles]] = {}

    @property
    def scale(self) -> int:
        """Sides of synthetic HR over those of LR."""
        return next((image.scale for each in self._read() for image in each.images if image.domain == "synthetic"), 1)

    @property
    def split_hash(self) -> str:
        """Hash of every image's id, size, split and maker; two runs with the same one saw the same candidates."""
        rows = [(split, image.id, image.size, image.maker) for split in SPLITS for image in self._split(split)]
        return value_hash(rows)

    def inputs(self) -> list[Input]:
        """What a fit is made from: the images, and candidates with the checkpoint that made them."""
        found = [Input("data", str(self.root), self.split_hash)]
        for each in self._read():
            made_by = str(each.maker.get("checkpoint"))
            found.append(Input("candidates", str(each.root), file_hash(each.root / FILE), (made_by,)))
        return found

    def setup(self, stage: str | None = None) -> None:
        """Look at the folders anew, and whether the stage has images to work on.

        Args:
            stage: What is begun.
        """
        self._sets, self._found = [], {}
        super().setup(stage)

    def images(self, split: str) -> list[ImageFiles]:
        """Images of ``train``, ``val``, ``test`` or ``predict``."""
        if split == "predict":
            splits = SPLITS if self.predict_split == "all" else (self.predict_split,)
            return [image for one in splits for image in self._split(one) if image.domain in self.predict_domains]
        domains = ("synthetic",) if split == "train" else self.eval_domains
        return [image for image in self._split(split) if image.domain in domains]

    def training_render(self) -> CandidateCrops:
        """What cuts training samples."""
        return CandidateCrops(self.crop, self._seed)

    def evaluation_render(self) -> WholeCandidates:
        """What reads whole images."""
        return WholeCandidates()

    def check(self, split: str, stage: str) -> None:
        """Refuse images whose files are missing or do not fit.

        Raises:
            UserError: Says what and which key or file mends it.
        """
        super().check(split, stage)
        images = [image for image in self.images(split) if isinstance(image, CandidateFiles)]
        missing = [path for image in images for path in (image.psnr, image.per) if not path.is_file()]
        if missing:
            told = f"{len(missing)} of {2 * len(images)} {split} candidates are gone, for example {missing[0]}"
            raise UserError(told, where=f"{KEYS}.roots", mend="give the command that wrote them again")
        bare = [image for image in images if image.lr is None]
        if bare:
            told = f"{len(bare)} {split} images have no LR, for example {bare[0].id}"
            raise UserError(told, where=str(self.root), mend="put LR beside them")
        blind = [image for image in images if image.hr is None]
        if blind and (split == "train" or (stage in ("fit", "validate") and len(blind) == len(images))):
            told = f"{len(blind)} of {len(images)} {split} images have no HR, for example {blind[0].id}"
            raise UserError(told, where=str(self.root), mend="put HR of the same name beside them")
        self._refuse_sizes(images)
        odd = [image for image in images if split == "train" and self.crop % image.scale]
        if odd:
            told = f"{self.crop} is no multiple of scale {odd[0].scale}"
            raise UserError(told, where=f"{KEYS}.crop", mend=f"give {-(-self.crop // odd[0].scale) * odd[0].scale}")

    def places(self, split: str) -> str:
        """Folders of candidates, and how many were left out."""
        seen = sum(image.split == split and bool(image.seen) for each in self._read() for image in each.images)
        told = f" ({seen} left out by exclude_seen)" if self.exclude_seen and seen else ""
        return ", ".join(self.roots) + told

    def _refuse_sizes(self, images: list[CandidateFiles]) -> None:
        sizes = Sizes()
        for image in images:
            for path in (image.psnr, image.per, image.hr):
                size = sizes(path)
                if size and size != image.size:
                    told = (
                        f"is {size[1]}x{size[0]} pixels, not {image.size[1]}x{image.size[0]} as was noted of {image.id}"
                    )
                    raise UserError(told, where=str(path), mend="make the candidates of this very set")

    def _read(self) -> list[CandidateSet]:
        if not self._sets:
            self._sets = [read_candidates(root) for root in self.roots]
        return self._sets

    def _split(self, split: str) -> list[CandidateFiles]:
        if split not in self._found:
            exclude = self.exclude_seen and split == "train"
            self._found[split] = find_candidates(self._read(), self.root, self.layout, split, exclude)
        return self._found[split]
