"""Where a data root keeps its labels, rank pairs and folds, and what they say when read together."""

from dataclasses import replace
from pathlib import Path

from records.errors import UserError
from records.labels import SPLITS, Label, clean_id, read_csv_rows, read_labels, refuse_rows
from records.pairs import Pair, read_pairs

# Tried in this order, where the configuration names no file.
LABELS_OF_A_SPLIT = ("{}_data.csv", "{}.csv")
LABELS_OF_ALL = "labels.csv"
PAIRS = ("{}_pairs.xlsx", "{}_pairs.csv", "pairs.xlsx", "pairs.csv")


def read_label_tables(root: Path, files: str | dict[str, str] | None) -> list[Label]:
    """All labels of a data root, each id once.

    Args:
        root: The data root.
        files: One table for all splits, or a table for each split; None looks for the usual names.

    Raises:
        UserError: No table is found, one cannot be read, or an id stands in two of them.
    """
    if not root.is_dir():
        raise UserError(
            "no such folder",
            where=f"data.init_args.root {root}",
            mend="mend it; `python -m experiments prepare mini-kvq --root DIR` builds a small set",
        )
    if files is None:
        found = {name: _first(root, LABELS_OF_A_SPLIT, name) for name in SPLITS}
        files = {name: file for name, file in found.items() if file} or LABELS_OF_ALL
        if files == LABELS_OF_ALL and not (root / LABELS_OF_ALL).is_file():
            raise UserError(
                f"no label file; looked for {LABELS_OF_ALL} and for train, val and test as "
                + " or ".join(pattern.format("train") for pattern in LABELS_OF_A_SPLIT),
                where=str(root),
                mend=f"name it in data.init_args.labels, or look with: python -m experiments check-data {root}",
            )
    if isinstance(files, str):
        return read_labels(root / files, allow_missing_scores=True)
    labels: dict[str, Label] = {}
    for split, file in files.items():
        for label in read_labels(root / file, allow_missing_scores=split != "train"):
            if label.id in labels:
                raise UserError(
                    f"{label.id} stands in {labels[label.id].split} too", where=str(root / file), mend="keep one"
                )
            labels[label.id] = replace(label, split=split)
    return list(labels.values())


def read_pair_tables(root: Path, files: str | dict[str, str] | None, known: set[str]) -> list[Pair]:
    """All rank pairs of a data root; none where it has no table of them.

    Args:
        root: The data root.
        files: One table, or a table for each split; None looks for the usual names.
        known: Ids that have a label row.

    Raises:
        UserError: A table cannot be read, or names a file without a label row.
    """
    if files is None:
        found = [_first(root, PAIRS, name) for name in SPLITS]
        names = [file for file in dict.fromkeys(found) if file]
    else:
        names = [files] if isinstance(files, str) else list(files.values())
    pairs: dict[Pair, None] = {}
    for name in names:
        for pair in read_pairs(root / name):
            unknown = {pair.first, pair.second} - known
            if unknown:
                raise UserError(
                    f"pair names {min(unknown)}, which no label file lists",
                    where=str(root / name),
                    mend="write names as the label files do",
                )
            pairs[pair] = None
    return list(pairs)


def read_folds(path: Path) -> dict[str, int]:
    """Fold of each id, from CSV ``filename,fold`` with folds counted from 0.

    Raises:
        UserError: The file cannot be read, or rows are wrong.
    """
    rows = read_csv_rows(path)
    if not rows or [cell.lower() for cell in rows[0][1]] != ["filename", "fold"]:
        raise UserError("does not start with the header filename,fold", where=str(path), mend="put it there")
    folds: dict[str, int] = {}
    faults = []
    for line, cells in rows[1:]:
        try:
            id = clean_id(cells[0])
            if id in folds:
                raise ValueError(f"{id} stands twice")
            if len(cells) != 2 or not cells[1].isdecimal():
                raise ValueError(f"fold {cells[1:]} is not a whole number from 0")
            folds[id] = int(cells[1])
        except ValueError as fault:
            faults.append((line, str(fault)))
    refuse_rows(faults, str(path))
    return folds


def _first(root: Path, patterns: tuple[str, ...], name: str) -> str | None:
    return next((file for pattern in patterns if (root / (file := pattern.format(name))).is_file()), None)
