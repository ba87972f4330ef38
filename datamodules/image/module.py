"""What the data modules of images share: splits, order, ranks, unreadable files, and loaders over them."""

import os
from collections.abc import Container
from pathlib import Path
from typing import Any

import lightning as L

from datamodules.image.dataset import ImageDataset, OnUnreadable, Render, alone, stacked
from datamodules.image.files import ImageFiles
from datamodules.image.order import ImageOrder
from datamodules.launch_checks import KEYS, check_range
from datamodules.loader import LateLoader, begin_worker
from datamodules.order import EvaluationOrder
from datamodules.quarantine import Quarantine
from records.errors import UserError

_NEEDED = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("predict",)}


class ImageDataModule(L.LightningDataModule):
    """Images of a root in splits; a subclass says which they are and what samples look like.

    Args:
        root: Data root.
        batch_size: Training samples in a batch of one rank; evaluation reads whole images one by one.
        epoch_size: Training samples of an epoch on all ranks together; null for one of each image.
        on_unreadable: ``substitute`` trains on another image instead, and evaluation passes over the file; ``fail``
            ends the run at the first.
        unreadable_share: Share of a split that may be unreadable, 0..1.
        num_workers: Reading processes of each loader.
        seed: Seed of order and draws; null takes ``seed_everything``.
    """

    def __init__(
        self,
        root: str,
        *,
        batch_size: int = 4,
        epoch_size: int | None = None,
        on_unreadable: OnUnreadable = "substitute",
        unreadable_share: float = 0.05,
        num_workers: int = 2,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.root, self.batch_size, self.epoch_size = Path(root), batch_size, epoch_size
        self.on_unreadable, self.unreadable_share = on_unreadable, unreadable_share
        self.num_workers, self.seed = num_workers, seed
        check_range(1, batch_size=batch_size, epoch_size=1 if epoch_size is None else epoch_size)
        check_range(0, num_workers=num_workers)
        check_range(0, 1, unreadable_share=unreadable_share)
        self._quarantine = Quarantine(None)
        self._left_out: Container[str] = frozenset()

    def images(self, split: str) -> list[ImageFiles]:
        """Images of ``train``, ``val``, ``test`` or ``predict``."""
        raise TypeError(f"{type(self).__name__} does not say which images a split has")

    def training_render(self) -> Render:
        """What makes a training sample of an image."""
        raise TypeError(f"{type(self).__name__} does not say what a training sample is")

    def evaluation_render(self) -> Render:
        """What makes an evaluation batch of an image."""
        raise TypeError(f"{type(self).__name__} does not say what an evaluation batch is")

    def check(self, split: str, stage: str) -> None:
        """Refuse a split that the stage cannot work on; subclasses add what they know.

        Args:
            split: ``train``, ``val``, ``test`` or ``predict``.
            stage: What is begun: ``fit``, ``validate``, ``test`` or ``predict``.

        Raises:
            UserError: There is no image, or there are more ranks than images to evaluate.
        """
        count = len(self.images(split))
        if not count:
            told = f"no {split} images in {self.places(split)}" if self.root.is_dir() else "no such folder"
            raise UserError(told, where=str(self.root), mend=f"look at {KEYS}.root")
        if split != "train" and count < self._world:
            told = f"{count} {split} images are too few for {self._world} ranks"
            raise UserError(told, where="trainer.devices", mend=f"use at most {count}")

    def places(self, split: str) -> str:
        """Where the images of a split are looked for, to be told to the user."""
        return str(self.root)

    def leave_out(self, ids: Container[str]) -> None:
        """Predict every image but these, which an interrupted prediction has done.

        Args:
            ids: Their ids, the same on every rank.
        """
        self._left_out = ids

    def unreadable(self, split: str) -> set[str]:
        """Ids of a split that could not be read since ``setup``, on any rank; also listed in ``quarantine.csv``."""
        return self._quarantine.ids(split)

    @property
    def quarantine_path(self) -> Path | None:
        """Where unreadable files are listed: ``quarantine.csv`` in the run folder; None without a trainer."""
        return None if self.trainer is None else Path(self.trainer.default_root_dir) / "quarantine.csv"

    @property
    def stand_ins(self) -> list[str]:
        """Parts that stand in for real weights: none, as images need none."""
        return []

    def setup(self, stage: str | None = None) -> None:
        """Look whether the stage has images to work on.

        Args:
            stage: What is begun.
        """
        self._quarantine = Quarantine(self.quarantine_path, self._rank)
        for split in _NEEDED.get(stage or "", ()):
            self.check(split, stage or "")

    def teardown(self, stage: str) -> None:
        """Bring the list of unreadable files up to date."""
        self._write_quarantine()

    def on_exception(self, exception: BaseException) -> None:
        """Bring the list of unreadable files up to date."""
        self._write_quarantine()

    def train_dataloader(self) -> LateLoader:
        """Training samples in an order that is a function of (seed, epoch)."""
        images = self.images("train")
        order = ImageOrder(
            len(images),
            self.batch_size,
            seed=self._seed,
            epoch_size=self.epoch_size,
            rank=self._rank,
            world=self._world,
            progress=self._progress,
        )
        return self._loader("train", images, order)

    def val_dataloader(self) -> LateLoader:
        """Validation images, each on exactly one rank."""
        if self.trainer is not None and self.trainer.state.fn == "fit":
            # Lightning goes on with a validation that a signal cut short, and would score what is left of it alone.
            self.trainer.fit_loop.epoch_loop.val_loop.batch_progress.reset_on_run()
        return self._evaluation_loader("val")

    def test_dataloader(self) -> LateLoader:
        """Test images, each on exactly one rank."""
        return self._evaluation_loader("test")

    def predict_dataloader(self) -> LateLoader:
        """Images to predict without those left out, each on exactly one rank."""
        return self._evaluation_loader("predict")

    def _evaluation_loader(self, split: str) -> LateLoader:
        images = self.images(split)
        if split == "predict":
            images = [image for image in images if image.id not in self._left_out]
        return self._loader(split, images, EvaluationOrder(len(images), rank=self._rank, world=self._world))

    def _loader(self, split: str, images: list[ImageFiles], order: Any) -> LateLoader:
        train = split == "train"
        share = 1.0 if split == "predict" else self.unreadable_share
        # One must be readable; what an interrupted prediction has left may be what cannot be read.
        most = len(images) if split == "predict" and len(images) < len(self.images(split)) else len(images) - 1
        dataset = ImageDataset(
            images,
            self.training_render() if train else self.evaluation_render(),
            self._quarantine,
            split=split,
            seed=self._seed,
            substitute=train,
            fail=self.on_unreadable == "fail",
            allowed=min(max(1, int(share * len(images))), most),
        )
        return LateLoader(
            dataset,
            batch_size=self.batch_size if train else 1,
            sampler=order,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            worker_init_fn=begin_worker,
            collate_fn=stacked if train else alone,
        )

    def _progress(self) -> tuple[int, int] | None:
        """Epoch and the batches of it that are done, from the fit in progress; None outside of one."""
        if self.trainer is None or not self.trainer.training:
            return None
        return self.trainer.current_epoch, self.trainer.fit_loop.batch_idx + 1

    def _write_quarantine(self) -> None:
        if self._rank == 0:
            self._quarantine.write()

    @property
    def _seed(self) -> int:
        # Lightning keeps seed_everything there, for itself and for the ranks it starts.
        return self.seed if self.seed is not None else int(os.environ.get("PL_GLOBAL_SEED", "0"))

    @property
    def _rank(self) -> int:
        return 0 if self.trainer is None else self.trainer.global_rank

    @property
    def _world(self) -> int:
        return 1 if self.trainer is None else self.trainer.world_size
