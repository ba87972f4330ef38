"""Label files that deal a built mini-KVQ to two sets, told apart by what was done to the versions.

``codec`` holds what an encoder did, ``filter`` what resizing, blur, noise and sharpening did before it. Both show the
same contents. Those of the official validation and test are what every model is tested on, in two halves that no source
is divided by; one training source is kept back for validation.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.files import read_json
from records.labels import Label, read_labels, write_labels

SETS = {"codec": ("clean", "moderate", "heavy", "severe"), "filter": ("rescaled", "blurred", "sharpened")}
HALVES = {"half1": "val", "half2": "test"}


def add_mini_sets(names: Any) -> None:
    """Add the sub-command ``mini-sets`` to those of ``prepare``."""
    parser = names.add_parser("mini-sets", help="label files that deal a mini-kvq to two sets by kind of version")
    parser.add_argument("--root", required=True, metavar="DIR", type=Path, help="folder of a built mini-kvq")
    parser.set_defaults(prepare=prepare_mini_sets)


def prepare_mini_sets(args: argparse.Namespace) -> int:
    """Write the files beside those of the set, and say what they hold."""
    for name, rows in deal(args.root).items():
        write_labels(args.root / f"{name}.csv", rows)
        print(f"{name}.csv: {len(rows)} clips of {len({row.content for row in rows})} contents")
    return 0


def deal(root: Path) -> dict[str, list[Label]]:
    """Stem of a file to its rows.

    ``<set>_train`` and ``<set>_test`` for each set and for ``both``, ``both_val``, the test clips as ``half1`` and
    ``half2``, and ``leaky_train``: training and test clips together, which a teacher learns from to show what that
    does to results.

    Raises:
        UserError: There is no built set, or it has a single source to train on.
    """
    if not (root / "manifest.json").is_file():
        mend = f"python -m experiments prepare mini-kvq --root {root}"
        raise UserError("holds no built mini-kvq", where=str(root), mend=mend)
    clips = read_json(root / "manifest.json")["clips"]
    labels = read_labels(root / "labels.csv")
    sources = list(dict.fromkeys(clips[row.id]["source"] for row in labels if row.split == "train"))
    if len(sources) < 2:
        told = f"a single source to train on, {', '.join(sources)}, and none to keep back for validation"
        raise UserError(told, where=str(root), mend="build more contents")
    kept_back = sources[-1]
    train = [row for row in labels if row.split == "train" and clips[row.id]["source"] != kept_back]
    test = [replace(row, split="test") for row in labels if row.split != "train"]
    files: dict[str, list[Label]] = {}
    for name, kinds in {**SETS, "both": sum(SETS.values(), ())}.items():
        for part, rows in (("train", train), ("test", test)):
            files[f"{name}_{part}"] = [row for row in rows if clips[row.id]["version"]["kind"] in kinds]
    held = [row for row in labels if row.split == "train" and clips[row.id]["source"] == kept_back]
    files["both_val"] = [replace(row, split="val") for row in held]
    for half, split in HALVES.items():
        files[half] = [row for row in test if clips[row.id]["split"] == split]
    files["leaky_train"] = [*train, *(replace(row, split="train") for row in test)]
    return files
