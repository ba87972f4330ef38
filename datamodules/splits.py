"""Which clip is trained on and which is held out: always whole contents, so that no content is on both sides."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

from records.errors import UserError
from records.hashing import seed_of
from records.labels import SPLITS, Label

Splits = dict[str, list[Label]]
_KEYS = "data.init_args"


def make_splits(
    labels: Iterable[Label],
    *,
    fold: int | None = None,
    folds: int = 5,
    fold_of: dict[str, int] | None = None,
    val_share: float = 0.2,
    split_seed: int = 0,
    allow_content_leak: bool = False,
) -> Splits:
    """Deal labels to train, val and test.

    Without ``fold``, the splits that the labels name hold; a label that names none is training material. When no
    clip of ``val`` has a score, ``val_share`` of the training contents are held out in its place. With ``fold``,
    every scored clip of train and val takes part in a cross-validation, as do all clips that ``fold_of`` lists:
    validation and test are the clips of the fold, training the others. Splits of the labels that lose their place so
    stay reachable as ``official_val`` and ``official_test``.

    Args:
        labels: Labels of all files; names of splits other than train, val and test are kept as they are.
        fold: Fold held out, from 0, or None.
        folds: Number of folds by content; unused where ``fold_of`` is given.
        fold_of: Fold of each id, where the data set knows what belongs together better than its contents do.
        val_share: Share of the contents (or folds of ``fold_of``) held out, 0..1.
        split_seed: Seed of what is held out.
        allow_content_leak: Split by file instead of by content, with a warning.

    Returns:
        Split name to labels, in the order given.

    Raises:
        UserError: A content is on both sides, or there is nothing to hold out.
    """
    splits: Splits = {}
    for label in labels:
        split = label.split or "train"
        splits.setdefault(split, []).append(replace(label, split=split))
    _check_scores(splits)
    unit_of = {label.id: label.content for rows in splits.values() for label in rows}
    if allow_content_leak:
        unit_of = {id: id for id in unit_of}
        fold_of = None
        message = "allow_content_leak: splits by file put one content on both sides, and scores come out too high"
        warnings.warn(message, stacklevel=2)
    if fold is not None:
        _hold_out_fold(splits, fold, folds, fold_of, unit_of, split_seed)
    elif not _scored(splits.get("val", [])) and splits.get("train"):
        units = unit_of if fold_of is None else {id: str(number) for id, number in fold_of.items()}
        _hold_out_share(splits, units, val_share, split_seed)
    if not allow_content_leak:
        # Validation and test of a fold are the same clips.
        _check_disjoint(splits, SPLITS if fold is None else ("train", "val"))
    return splits


def _dealt(units: Iterable[str], seed: int) -> list[str]:
    """Distinct units in an order that depends on nothing but their names and ``seed``."""
    return sorted(set(units), key=lambda unit: (seed_of("split", seed, unit), unit))


def _hold_out_share(splits: Splits, unit_of: dict[str, str], share: float, seed: int) -> None:
    """Take validation out of training."""
    train = splits["train"]
    units = _dealt((_unit(label, unit_of) for label in train), seed)
    if len(units) < 2:
        raise UserError(
            f"all {len(train)} training clips are of one content, so none can be held out for validation",
            where=f"{_KEYS}.labels",
            mend="label more contents, or give labels with a split val",
        )
    count = min(max(1, round(share * len(units))), len(units) - 1)
    held = set(units[:count])
    if "val" in splits:
        splits["official_val"] = [replace(label, split="official_val") for label in splits["val"]]
    splits["val"] = [replace(label, split="val") for label in train if unit_of[label.id] in held]
    splits["train"] = [label for label in train if unit_of[label.id] not in held]


def _hold_out_fold(
    splits: Splits, fold: int, folds: int, fold_of: dict[str, int] | None, unit_of: dict[str, str], seed: int
) -> None:
    """Cross-validation: the clips of ``fold`` against all others."""
    if fold_of is None:
        pool = [label for name in ("train", "val") for label in _scored(splits.get(name, []))]
        places = {unit: place for place, unit in enumerate(_dealt((unit_of[label.id] for label in pool), seed))}
        if len(places) < folds:
            told = f"{folds} folds need as many contents, and there are {len(places)}"
            raise UserError(told, where=f"{_KEYS}.folds", mend=f"give at most {len(places)}")
        fold_of = {label.id: places[unit_of[label.id]] % folds for label in pool}
    else:
        pool = [label for rows in splits.values() for label in _scored(rows) if label.id in fold_of]
        _check_folds(pool, fold_of, [label for name in ("train", "val") for label in _scored(splits.get(name, []))])
    if fold not in fold_of.values():
        raise UserError(f"no fold {fold}", where=f"{_KEYS}.fold", mend=f"there are 0 to {max(fold_of.values())}")
    for name in ("val", "test"):
        if name in splits:
            splits[f"official_{name}"] = [replace(label, split=f"official_{name}") for label in splits[name]]
    for name, inside in (("train", False), ("val", True), ("test", True)):
        splits[name] = [replace(label, split=name) for label in pool if (fold_of[label.id] == fold) is inside]


def _check_folds(pool: Sequence[Label], fold_of: dict[str, int], expected: Sequence[Label]) -> None:
    missing = [label.id for label in expected if label.id not in fold_of]
    if missing:
        raise UserError(
            f"{len(missing)} labelled clips have no fold, for example {missing[0]}",
            where=f"{_KEYS}.folds_file",
            mend="list every clip as filename,fold",
        )
    seen: dict[str, int] = {}
    for label in pool:
        if seen.setdefault(label.content, fold_of[label.id]) != fold_of[label.id]:
            raise UserError(
                f"content {label.content} stands in folds {seen[label.content]} and {fold_of[label.id]}",
                where=f"{_KEYS}.folds_file",
                mend="give all clips of a content one fold",
            )


def _check_disjoint(splits: Splits, names: Sequence[str]) -> None:
    for first, second in combinations(names, 2):
        here, there = ({label.content for label in splits.get(name, [])} for name in (first, second))
        if shared := sorted(here & there):
            raise UserError(
                f"{first} and {second} share {len(shared)} contents, for example {', '.join(shared[:3])}",
                where=f"{_KEYS}.labels",
                mend="give every content one split and its own group name, or set allow_content_leak: true",
            )


def _check_scores(splits: Splits) -> None:
    for name, rows in splits.items():
        missing = len(rows) - len(_scored(rows))
        if missing and (name == "train" or missing < len(rows)):
            mend = (
                "leave them all empty to seal the split"
                if name != "train"
                else "score them, or give them another split"
            )
            raise UserError(f"{missing} of {len(rows)} {name} clips have no score", where=f"{_KEYS}.labels", mend=mend)


def _scored(labels: Iterable[Label]) -> list[Label]:
    return [label for label in labels if label.score is not None]


def _unit(label: Label, unit_of: dict[str, str]) -> str:
    if label.id not in unit_of:
        raise UserError(f"{label.id} has no fold", where=f"{_KEYS}.folds_file", mend="list every clip as filename,fold")
    return unit_of[label.id]
