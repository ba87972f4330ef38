"""The labels of one data root, dealt to splits, with the test labels sealed when asked."""

from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev

from datamodules.splits import Splits, make_splits
from datamodules.tables import read_folds, read_label_tables, read_pair_tables
from records.errors import UserError
from records.hashing import value_hash
from records.labels import Label
from records.pairs import Pair

SEALED = ("test", "official_test")


class SealedLabels(RuntimeError):
    """Test labels were asked for while a model is being fitted."""


class LabelSet:
    """Labels and rank pairs by split, read when first asked for.

    Args:
        root: Folder of the videos and their label files.
        labels: Label files; see :func:`datamodules.tables.read_label_tables`.
        pairs: Files of rank pairs; see :func:`datamodules.tables.read_pair_tables`.
        folds_file: CSV ``filename,fold`` below ``root``, used where it exists.
        fold: Fold held out, or None.
        folds: Number of folds by content.
        val_share: Share of the training contents held out where validation has no scores.
        split_seed: Seed of folds and of what is held out.
        allow_content_leak: Split by file instead of by content.
        sealed: Forget the scores of the test splits and refuse to hand them out.
    """

    def __init__(
        self,
        root: Path,
        *,
        labels: str | dict[str, str] | None = None,
        pairs: str | dict[str, str] | None = None,
        folds_file: str = "folds.csv",
        fold: int | None = None,
        folds: int = 5,
        val_share: float = 0.2,
        split_seed: int = 0,
        allow_content_leak: bool = False,
        sealed: bool = False,
    ) -> None:
        self.root, self.label_files, self.pair_files, self.folds_file = root, labels, pairs, root / folds_file
        self.fold, self.folds, self.val_share, self.split_seed = fold, folds, val_share, split_seed
        self.allow_content_leak, self.sealed = allow_content_leak, sealed
        self._splits: Splits | None = None
        self._hash = ""

    def labels(self, split: str) -> list[Label]:
        """Labels of a split.

        Raises:
            UserError: There is no such split.
            SealedLabels: The split is sealed.
        """
        if self.sealed and split in SEALED:
            raise SealedLabels(f"labels of {split} are sealed while a model is fitted")
        splits = self._read()
        if split not in splits or not splits[split]:
            known = ", ".join(f"{name} ({len(rows)})" for name, rows in splits.items() if rows)
            mend = f"there are {known}; name label files in data.init_args.labels"
            raise UserError(f"no {split} clips", where=str(self.root), mend=mend)
        return splits[split]

    def held_out(self) -> list[Label]:
        """Labels of every split but train, each id once: what a training clip must not be. Sealed scores are None."""
        found = {label.id: label for name, rows in self._read().items() if name != "train" for label in rows}
        return list(found.values())

    def every(self) -> list[Label]:
        """One label of every clip of every split, in order of ids, whatever the folds."""
        found = {label.id: label for labels in self._read().values() for label in labels}
        return [found[id] for id in sorted(found)]

    def pairs(self, split: str) -> list[Pair]:
        """Rank pairs of which both files are in a split, which may be none."""
        inside = {label.id for label in self.labels(split)}
        known = {label.id for rows in self._read().values() for label in rows}
        pairs = read_pair_tables(self.root, self.pair_files, known)
        return [pair for pair in pairs if pair.first in inside and pair.second in inside]

    def stats(self) -> tuple[float, float]:
        """Mean and population standard deviation of the training scores, in label units."""
        scores = [label.score for label in self.labels("train") if label.score is not None]
        return fmean(scores), pstdev(scores)

    def hash(self) -> str:
        """Hash of every id with its score and split; sealing does not change it."""
        self._read()
        return self._hash

    def _read(self) -> Splits:
        if self._splits is not None:
            return self._splits
        splits = make_splits(
            read_label_tables(self.root, self.label_files),
            fold=self.fold,
            folds=self.folds,
            fold_of=read_folds(self.folds_file) if self.folds_file.is_file() else None,
            val_share=self.val_share,
            split_seed=self.split_seed,
            allow_content_leak=self.allow_content_leak,
        )
        rows = [(name, label.id, label.score) for name, labels in splits.items() for label in labels]
        self._hash = value_hash(sorted(rows, key=lambda row: row[:2]))
        if self.sealed:
            for name in splits.keys() & set(SEALED):
                splits[name] = [replace(label, score=None) for label in splits[name]]
        self._splits = splits
        return splits
