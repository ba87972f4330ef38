"""KVQ, and any other set of scored videos, as a Lightning data module."""

import os
from collections.abc import Container
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np

from datamodules.dataset import Clip, Collate, OnUnreadable, VideoQualityDataset
from datamodules.label_set import LabelSet
from datamodules.launch_checks import KEYS, check_evaluation, check_media, check_range, check_stored
from datamodules.leak_guard import GUARDED, Item, Leak, find_copies, find_leaks
from datamodules.loader import LateLoader, begin_worker
from datamodules.order import EvaluationOrder
from datamodules.pool import Pool
from datamodules.quarantine import Quarantine
from datamodules.training_batches import TrainingBatches
from datamodules.video.draw import Draw
from datamodules.video.reader import BackendName, VideoReader
from datamodules.video.views.base import View
from datamodules.video.views.slices import DensitySlices
from datamodules.video.views.stored import StoredView
from datamodules.video_files import name_videos
from records.errors import UserError
from records.labels import Label
from records.lineage import Input
from records.pairs import Pair

_NEEDED = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("predict",)}


class KVQDataModule(L.LightningDataModule):
    """Scored videos: KVQ as published, or any folder with a label file.

    The root holds the videos under their ids and either one label file for each split (``train_data.csv`` or
    ``train.csv``, and so on) or ``labels.csv`` for all. Every split made here keeps a content whole. Where validation
    has no published scores, a fifth of the training contents is held out, the same fifth for every seed of a run.

    Args:
        root: Folder of the videos and their label files.
        views: Name to view; the network's branches bear the same names.
        batch_size: Training clips in a batch of one rank.
        eval_batch_size: Clips in a batch of validation, test and prediction; null takes ``batch_size``.
        labels: Label files relative to ``root``: one for all splits, or split to file; null looks for the usual names.
            CSV ``filename,score[,group][,split]``, or lists ``path, duration, fps, MOS``.
        pairs: Files of rank pairs (official xlsx, or CSV ``kind,video1,video2,rank``) in the same way;
            null looks for ``<split>_pairs`` and ``pairs``.
        fold: Hold out this fold, from 0, as validation and test, and train on the other labelled clips of train and
            val; null uses the splits of the labels.
        folds: Number of folds by content.
        folds_file: CSV ``filename,fold`` below ``root``; where it exists it takes the place of folds by content.
        val_share: Share of the training contents held out where validation has no scores, 0..1.
        split_seed: Seed of folds and of what is held out; not the run's seed, so that runs can be compared.
        allow_content_leak: Split by file, with a warning: one content then stands on both sides.
        ladders_per_batch: Whole contents in a training batch; 0 for random batches only. Labels and pool share them as
            they share the batch.
        ladder_probability: Share of the training batches that hold whole contents, 0..1.
        on_unreadable: ``substitute`` trains on another clip instead, and evaluation passes over the file; ``skip``
            makes the training batch smaller (one rank only); ``fail`` ends the run at the first.
        unreadable_share: Share of a split that may be unreadable, 0..1; one file always may, and prediction goes on
            as long as any can be read.
        predict_split: Split that is predicted; ``all`` for every clip that the label files name.
        predict_paths: Predict these videos and folders instead, and what these .txt and .csv files list in their first
            column, with contents in a column ``group``. An id is the path relative to the root, else to the folder or
            to the folder of the list.
        reader: Decoder.
        num_workers: Decoding processes for each loader; the samples do not depend on it.
        seed: Seed of order and augmentation; null takes ``seed_everything``.
        pool: Pseudo-labelled clips mixed into every training batch; null trains on labels alone.
        train_views: Views that training reads besides, and no branch does: a teacher's features to learn from.
    """

    def __init__(
        self,
        root: str,
        views: dict[str, View],
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        labels: str | dict[str, str] | None = None,
        pairs: str | dict[str, str] | None = None,
        fold: int | None = None,
        folds: int = 5,
        folds_file: str = "folds.csv",
        val_share: float = 0.2,
        split_seed: int = 0,
        allow_content_leak: bool = False,
        ladders_per_batch: int = 0,
        ladder_probability: float = 0.5,
        on_unreadable: OnUnreadable = "substitute",
        unreadable_share: float = 0.05,
        predict_split: str = "test",
        predict_paths: list[str] | None = None,
        reader: BackendName = "pyav",
        num_workers: int = 2,
        seed: int | None = None,
        pool: Pool | None = None,
        train_views: dict[str, View] | None = None,
    ) -> None:
        super().__init__()
        self.root, self.views, self.reader = Path(root), views, reader
        self.pool, self.train_views = pool, train_views or {}
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size or batch_size
        self._batches = TrainingBatches(batch_size, ladders_per_batch, ladder_probability, pool)
        self.on_unreadable, self.unreadable_share = on_unreadable, unreadable_share
        self.predict_split, self.predict_paths = predict_split, predict_paths
        self.num_workers, self.seed = num_workers, seed
        check_range(0, fold=fold or 0, num_workers=num_workers, ladders_per_batch=ladders_per_batch)
        check_range(1, batch_size=batch_size, eval_batch_size=self.eval_batch_size)
        check_range(2, folds=folds)
        check_range(0, 1, val_share=val_share, ladder_probability=ladder_probability, unreadable_share=unreadable_share)
        if not views:
            raise UserError("no view", where=f"{KEYS}.views", mend="name one for each branch of the network")
        for name in views.keys() & self.train_views.keys():
            raise UserError(f"{name!r} is a view too", where=f"{KEYS}.train_views", mend="give it another name")
        self._label_set = partial(
            LabelSet,
            self.root,
            labels=labels,
            pairs=pairs,
            folds_file=folds_file,
            fold=fold,
            folds=folds,
            val_share=val_share,
            split_seed=split_seed,
            allow_content_leak=allow_content_leak,
        )
        self._labels = self._label_set()
        self._quarantine = Quarantine(None)
        self._left_out: Container[str] = frozenset()
        self._found: list[Clip] | None = None

    def leave_out(self, ids: Container[str]) -> None:
        """Predict every clip but these, which an interrupted prediction has done; ``labels`` still names them all.

        Args:
            ids: Their ids, the same on every rank.
        """
        self._left_out = ids

    def unreadable(self, split: str) -> set[str]:
        """Ids of a split that could not be read since ``setup``, on any rank; also listed in ``quarantine.csv``."""
        return self._quarantine.ids(split)

    def setup(self, stage: str | None = None) -> None:
        """Read the label files and look whether the stage has clips to work on.

        Args:
            stage: ``fit`` seals the test labels until another stage begins.
        """
        self._labels = self._label_set(sealed=stage == "fit")
        self._quarantine = Quarantine(self.quarantine_path, self._rank)
        self._found = None
        for split in _NEEDED.get(stage or "", ()):
            clips = self._clips(split)
            if not all(isinstance(view, StoredView) for view in self.views.values()):
                check_media(split, clips, self.root)
            check_stored(split, clips, self.views, 1.0 if split == "predict" else self.unreadable_share)
            if split == "train":
                held_out = [Clip(row.id, self.root / row.id, row.content) for row in self._labels.held_out()]
                self._batches.check(clips, held_out, self.root, self._world, self.on_unreadable)
                for source, _ in self._batches.sources(clips):
                    check_stored(split, source, self._views(train=True), self.unreadable_share)
            else:
                check_evaluation(split, clips, self._world)

    def teardown(self, stage: str) -> None:
        """Unseal the test labels and bring the list of unreadable files up to date."""
        self._labels = self._label_set()
        self._write_quarantine()

    def on_exception(self, exception: BaseException) -> None:
        """Bring the list of unreadable files up to date."""
        self._write_quarantine()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Promised shape of each view, without the batch axis."""
        return {name: tuple(view.shape) for name, view in self.views.items()}

    @property
    def train_shapes(self) -> dict[str, tuple[int, ...]]:
        """Promised shape of each view that only training reads, without the batch axis."""
        return {name: tuple(view.shape) for name, view in self.train_views.items()}

    @property
    def pool_facts(self) -> dict[str, Any]:
        """What a record says of the pool; empty without one."""
        return {} if self.pool is None else self.pool.facts

    @property
    def transductive(self) -> bool:
        """Whether clips of validation or test may be among those trained on."""
        return self.pool is not None and self.pool.transductive

    @property
    def stand_ins(self) -> list[str]:
        """Experts among the views whose features come from random weights."""
        stored = [view for view in self.views.values() if isinstance(view, StoredView)]
        return sorted({name for view in stored for name in view.stand_ins})

    @property
    def split_hash(self) -> str:
        """Hash of every id with its score and split; two runs with the same one saw the same data."""
        return self._labels.hash()

    def inputs(self) -> list[Input]:
        """What a fit is made from: the labelled clips, rows of experts, and labels of a teacher."""
        found = [Input("data", str(self.root), self.split_hash)]
        found += [made for view in self.views.values() if isinstance(view, StoredView) for made in view.inputs()]
        if self.pool is not None:
            facts = self.pool.facts
            found.append(Input("pseudo-labels", self.pool.labels, facts["hash"], tuple(facts["teacher"])))
        return found

    @property
    def quarantine_path(self) -> Path | None:
        """Where unreadable files are listed: ``quarantine.csv`` in the run folder; None without a trainer."""
        return None if self.trainer is None else Path(self.trainer.default_root_dir) / "quarantine.csv"

    def labels(self, split: str) -> list[Label]:
        """Labels of a split.

        Args:
            split: ``train``, ``val``, ``test``, another name that the label files use, ``official_val`` or
                ``official_test`` where folds or a held-out share took their place, or ``predict``.

        Raises:
            UserError: There is no such split.
            SealedLabels: Test labels are asked for during a fit.
        """
        if split != "predict":
            return self._labels.labels(split)
        if not self.predict_paths:
            return self._labels.every() if self.predict_split == "all" else self._labels.labels(self.predict_split)
        return [Label(clip.id, None, clip.content, "predict") for clip in self._clips("predict")]

    def pairs(self, split: str) -> list[Pair]:
        """Rank pairs of which both files are in a split, which may be none."""
        return self._labels.pairs(split)

    def leaks(self) -> list[Leak]:
        """Clips to predict that are, or look like, clips of validation or test; one rank is enough to ask.

        Fingerprints are kept in the run folder, so that asking again decodes nothing.
        """
        known = self._label_set()
        guarded = {row.id: self.root / row.id for row in known.held_out() if row.split in GUARDED}
        return find_leaks(self._to_predict(), list(guarded.items()), self._fingerprints, self.num_workers)

    def copies(self) -> list[tuple[str, str]]:
        """Pairs of clips to predict that look alike, by id, the earlier one first."""
        return find_copies(self._to_predict(), self._fingerprints, self.num_workers)

    def _to_predict(self) -> list[Item]:
        return [(clip.id, clip.path) for clip in self._clips("predict")]

    @property
    def _fingerprints(self) -> Path | None:
        return None if self.trainer is None else Path(self.trainer.default_root_dir) / "fingerprints.bin"

    def thumbnail(self, id: str) -> np.ndarray:
        """Middle frame of a clip, uint8 RGB (height, width, 3).

        Raises:
            UnreadableVideo: It has none to give.
        """
        with VideoReader(self.root / id, self.reader) as reader:
            middle = reader.timeline.nearest(reader.timeline.duration / 2)
            return next(iter(reader.pictures([middle]))).rgb()

    def overlay(self, view: str, id: str) -> tuple[np.ndarray, float]:
        """Picture of the tiles that a view of slices cuts from a clip, and the share of tiles that reach its threshold.

        Returns:
            uint8 RGB (height, width, 3), and 0..1.

        Raises:
            UnreadableVideo: The clip has no frame to give.
        """
        slices = self.views[view]
        if not isinstance(slices, DensitySlices):
            told = f"{type(slices).__name__} cuts no slices"
            raise UserError(told, where=f"{KEYS}.views.{view}", mend="name a view of DensitySlices")
        with VideoReader(self.root / id, self.reader) as reader:
            picture, slicing = slices.overlay(reader, Draw(id=id))
            return picture, slicing.kept_share

    def label_stats(self) -> tuple[float, float]:
        """Mean and population standard deviation of the training scores, in label units; of a pool used alone."""
        return self.pool.stats() if self.pool and self.pool.share == 1 else self._labels.stats()

    def train_dataloader(self) -> LateLoader:
        """Training clips in an order that is a function of (seed, epoch)."""
        clips, order = self._batches.order(
            self._clips("train"), seed=self._seed, rank=self._rank, world=self._world, progress=self._progress
        )
        return self._loader("train", clips, order, self.batch_size, self.on_unreadable)

    def val_dataloader(self) -> LateLoader:
        """Validation clips, each on exactly one rank."""
        if self.trainer is not None and self.trainer.state.fn == "fit":
            # Lightning goes on with a validation that a signal cut short, and would score what is left of it alone.
            self.trainer.fit_loop.epoch_loop.val_loop.batch_progress.reset_on_run()
        return self._evaluation_loader("val")

    def test_dataloader(self) -> LateLoader:
        """Test clips, each on exactly one rank."""
        return self._evaluation_loader("test")

    def predict_dataloader(self) -> LateLoader:
        """Clips to predict without those left out, each on exactly one rank."""
        return self._evaluation_loader("predict")

    def _evaluation_loader(self, split: str) -> LateLoader:
        clips = self._clips(split)
        if split == "predict":
            clips = [clip for clip in clips if clip.id not in self._left_out]
        order = EvaluationOrder(len(clips), rank=self._rank, world=self._world)
        # A substitute would be scored twice.
        policy: OnUnreadable = "fail" if self.on_unreadable == "fail" else "skip"
        return self._loader(split, clips, order, self.eval_batch_size, policy)

    def _loader(
        self, split: str, clips: list[Clip], order: Any, batch_size: int, on_unreadable: OnUnreadable
    ) -> LateLoader:
        train = split == "train"
        share = 1.0 if split == "predict" else self.unreadable_share
        # One must be readable; what an interrupted prediction has left may be what cannot be read.
        most = len(clips) if split == "predict" and len(clips) < len(self._clips(split)) else len(clips) - 1
        dataset = VideoQualityDataset(
            clips,
            self._views(train),
            self._quarantine,
            split=split,
            train=train,
            seed=self._seed,
            reader=self.reader,
            on_unreadable=on_unreadable,
            allowed=min(max(1, int(share * len(clips))), most),
        )
        return LateLoader(
            dataset,
            batch_size=batch_size,
            sampler=order,
            drop_last=train,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            worker_init_fn=begin_worker,
            collate_fn=Collate(self.shapes, train, {name: view.dtype for name, view in self.views.items()}),
        )

    def _clips(self, split: str) -> list[Clip]:
        if split != "predict" or not self.predict_paths:
            return [Clip(row.id, self.root / row.id, row.content, row.score) for row in self.labels(split)]
        if self._found is None:  # a walk over a large pool takes its time
            named = name_videos(self.predict_paths, self.root)
            self._found = [Clip(id, video.path, video.content or id) for id, video in named.items()]
        return self._found

    def _views(self, train: bool) -> dict[str, View]:
        return {**self.views, **self.train_views} if train else self.views

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
