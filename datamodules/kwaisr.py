"""KwaiSR, and any other folders of images to be enlarged, as a Lightning data module."""

from collections.abc import Sequence
from typing import Any, Literal

from datamodules.image.dataset import OnUnreadable
from datamodules.image.degradation import Degradation, Plan
from datamodules.image.files import Domain, ImageFiles, find_named, find_own, find_pairs, find_wild
from datamodules.image.layout import SPLITS, Layout
from datamodules.image.module import ImageDataModule
from datamodules.image.samples import TrainingCrops, WholeImages
from datamodules.image.sizes import Sizes
from datamodules.launch_checks import KEYS, check_range
from records.errors import UserError
from records.hashing import seed_of, value_hash
from records.lineage import Input

PUBLISHED = Layout()


class KwaiSRDataModule(ImageDataModule):
    """Pairs of low- and high-resolution images, and wild images without truth, in folders for each split.

    A training batch holds ``id``, ``lr`` (batch, 3, crop / scale, crop / scale) and ``hr`` (batch, 3, crop, crop); an
    evaluation batch one whole image: ``id``, ``lr``, ``hr`` where there is a truth, ``domain``, ``content``, ``scale``.
    Pixels are float32 RGB in [0, 1]; rotation of the metadata is applied, alpha is left out, 16 bit becomes 8.

    A split that has HR but no LR at all is degraded on the fly, for evaluation in the same way in every run.

    Args:
        root: Folder of the splits.
        scale: Sides of HR over those of LR; 1 for LR of HR's size.
        crop: Side of the HR window that training cuts, pixels, a multiple of ``scale``. A smaller image is continued by
            its mirror image.
        batch_size: Training samples in a batch of one rank; evaluation reads whole images one by one.
        layout: Folder and file names.
        wild_scale: Sides of a restored wild image over those of the image; the challenge enhances at native size.
        degradation: Makes LR of HR for training; null trains on the LR files.
        degrade_pairs: Degrade also the HR of pairs; false keeps their LR files and degrades only HR without LR.
        degrade_on: Degrade in the reading processes, or a batch at a time on the device of the network.
        hr_folders: More folders of HR for training, which are degraded on the fly.
        fold: Leave the contents of this fold out of training, from 0, so that a fusion can learn from candidates of
            images that their maker did not see; null trains on all.
        folds: Number of folds, by content.
        epoch_size: Training samples of an epoch on all ranks together, each cut anew; null for one of each image.
        eval_domains: What validation and test look at; wild images have no truth.
        predict_split: Split that is predicted; ``all`` for every one.
        predict_domains: What is predicted of it.
        predict_paths: Predict these images and folders instead, as wild ones, or with ``scale`` where
            ``predict_domains`` is ``[synthetic]``.
        on_unreadable: ``substitute`` trains on another image instead, and evaluation passes over the file; ``fail``
            ends the run at the first.
        unreadable_share: Share of a split that may be unreadable, 0..1; one file always may, and prediction goes on as
            long as any can be read.
        num_workers: Reading processes of each loader; the samples do not depend on it.
        seed: Seed of order, windows and degradations; null takes ``seed_everything``.
    """

    def __init__(
        self,
        root: str,
        scale: int = 4,
        crop: int = 512,
        batch_size: int = 4,
        layout: Layout = PUBLISHED,
        wild_scale: int = 1,
        degradation: Degradation | None = None,
        degrade_pairs: bool = True,
        degrade_on: Literal["workers", "device"] = "workers",
        hr_folders: list[str] | None = None,
        fold: int | None = None,
        folds: int = 2,
        epoch_size: int | None = None,
        eval_domains: Sequence[Domain] = ("synthetic", "wild"),
        predict_split: Literal["train", "val", "test", "all"] = "test",
        predict_domains: Sequence[Domain] = ("synthetic", "wild"),
        predict_paths: list[str] | None = None,
        on_unreadable: OnUnreadable = "substitute",
        unreadable_share: float = 0.05,
        num_workers: int = 2,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            root,
            batch_size=batch_size,
            epoch_size=epoch_size,
            on_unreadable=on_unreadable,
            unreadable_share=unreadable_share,
            num_workers=num_workers,
            seed=seed,
        )
        layout.check()
        check_range(1, scale=scale, wild_scale=wild_scale, crop=crop)
        if crop % scale:
            told = f"{crop} is no multiple of scale {scale}"
            raise UserError(told, where=f"{KEYS}.crop", mend=f"give {-(-crop // scale) * scale}")
        if degradation is not None and degradation.scale != scale:
            told = f"{degradation.scale} is not the data's scale, {scale}"
            raise UserError(told, where=f"{KEYS}.degradation.init_args.scale", mend="give both the same")
        self.scale, self.crop, self.layout, self.wild_scale = scale, crop, layout, wild_scale
        check_range(2, folds=folds)
        check_range(0, folds - 1, fold=fold or 0)
        if fold is not None and hr_folders:
            told = "contents of own folders are not known, so that they might show what the fold leaves out"
            raise UserError(told, where=f"{KEYS}.hr_folders", mend="give [] with a fold")
        self.fold, self.folds = fold, folds
        self.degradation, self.degrade_pairs, self.degrade_on = degradation, degrade_pairs, degrade_on
        self.hr_folders, self.eval_domains = hr_folders or [], tuple(eval_domains)
        self.predict_split, self.predict_paths = predict_split, predict_paths or []
        self.predict_domains = tuple(predict_domains)
        self._sizes = Sizes()
        self._found: dict[str, list[ImageFiles]] = {}

    @property
    def split_hash(self) -> str:
        """Hash of every image's id, sizes and split; two runs with the same one saw the same set of images."""
        rows = []
        for split in SPLITS:
            for image in [*self._split(split), *(self._own() if split == "train" else ())]:
                rows.append((split, image.id, image.scale, self._sizes(image.lr), self._sizes(image.hr)))
        return value_hash(rows if self.fold is None else [self.fold, self.folds, rows])

    def inputs(self) -> list[Input]:
        """What a fit is made from."""
        return [Input("data", str(self.root), self.split_hash)]

    def setup(self, stage: str | None = None) -> None:
        """Look at the folders anew, and whether the stage has images to work on.

        Args:
            stage: What is begun.
        """
        self._sizes, self._found = Sizes(), {}
        super().setup(stage)

    def images(self, split: str) -> list[ImageFiles]:
        """Images of ``train``, ``val``, ``test`` or ``predict``."""
        if split == "train":
            pairs = [image for image in self._split(split) if image.domain == "synthetic"]
            return [image for image in pairs if self._fold_of(image) != self.fold] + self._own()
        if split != "predict":
            return [image for image in self._split(split) if image.domain in self.eval_domains]
        if self.predict_paths:
            return self._named()
        splits = SPLITS if self.predict_split == "all" else (self.predict_split,)
        found = [image for one in splits for image in self._split(one)]
        return [image for image in found if image.domain in self.predict_domains]

    def split_of(self, id: str) -> str:
        """Split that an image belongs to; ``predict`` for one of ``predict_paths``."""
        return next((split for split in SPLITS if any(image.id == id for image in self._split(split))), "predict")

    def training_render(self) -> TrainingCrops:
        """What cuts training samples."""
        on_device = self.degrade_on == "device" and self.degradation is not None
        return TrainingCrops(self.crop, self.scale, self._seed, self.degradation, self.degrade_pairs, on_device)

    def evaluation_render(self) -> WholeImages:
        """What reads whole images."""
        return WholeImages(self.degradation)

    def check(self, split: str, stage: str) -> None:
        """Refuse images that do not make pairs, and own images that are held out.

        Raises:
            UserError: Says what and which key or file mends it.
        """
        super().check(split, stage)
        images = self.images(split)
        self._sizes.refuse_other_ratios(images)
        bare = [image for image in images if image.lr is None]
        if bare and self.degradation is None:
            told = f"{len(bare)} {split} images have no LR, for example {bare[0].id}"
            raise UserError(told, where=str(self.root), mend=f"put LR beside them, or give {KEYS}.degradation")
        blind = [image for image in images if image.hr is None]
        if blind and (split == "train" or (stage in ("fit", "validate") and len(blind) == len(images))):
            told = f"{len(blind)} of {len(images)} {split} images have no HR, for example {blind[0].id}"
            raise UserError(told, where=str(self.root), mend="put HR of the same name beside them")
        if split == "train":
            self._refuse_held_out()

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Follow the plans of a training batch where that was left to the device."""
        plans = batch.pop("plans", None)
        due = [place for place, plan in enumerate(plans or ()) if plan is not None]
        if due:
            from datamodules.image.degradation.device import DeviceDegradation

            made = DeviceDegradation().apply([Plan.from_record(plans[place]) for place in due], batch["hr"][due])
            batch["lr"][due] = made.to(batch["lr"].dtype)
        return batch

    def places(self, split: str) -> str:
        """Folders that the images of a split are looked for in."""
        if split == "predict":
            split = "{split}" if self.predict_split == "all" else self.predict_split
        return ", ".join(str(self.layout.folder(self.root, kind, split)) for kind in ("lr", "hr", "wild"))

    def _refuse_held_out(self) -> None:
        held_out = {image.hr.resolve() for split in SPLITS[1:] for image in self._split(split) if image.hr}
        taken = [image for image in self._own() if image.hr and image.hr.resolve() in held_out]
        if taken:
            told = f"{len(taken)} of the images are held out for validation or test, for example {taken[0].id}"
            raise UserError(told, where=f"{KEYS}.hr_folders", mend="give folders of training images only")

    def _fold_of(self, image: ImageFiles) -> int:
        # By hash, so that images which join the set move no other.
        return seed_of("fold", image.content) % self.folds

    def _split(self, split: str) -> list[ImageFiles]:
        if split not in self._found:
            pairs = find_pairs(self.root, self.layout, split, self.scale)
            self._found[split] = pairs + find_wild(self.root, self.layout, split, self.wild_scale)
        return self._found[split]

    def _own(self) -> list[ImageFiles]:
        """Images of own folders, without those that are HR of a training pair already."""
        if "own" not in self._found:
            known = {image.hr for image in self._split("train")}
            own = find_own(self.root, self.hr_folders, self.scale)
            self._found["own"] = [image for image in own if image.hr not in known]
        return self._found["own"]

    def _named(self) -> list[ImageFiles]:
        if "named" not in self._found:
            domain: Domain = "synthetic" if self.predict_domains == ("synthetic",) else "wild"
            scale = self.scale if domain == "synthetic" else self.wild_scale
            self._found["named"] = find_named(self.root, self.predict_paths, domain, scale)
        return self._found["named"]
