"""A built mini-kvq is dealt to two sets whose training and test clips share no content."""

import itertools
import json

from experiments.__main__ import main
from records.labels import Label, read_labels, write_labels

KINDS = ("clean", "moderate", "heavy", "severe", "rescaled", "blurred", "sharpened")
SOURCES = {"train": ("cat", "cat", "dog", "mug"), "val": ("bus",), "test": ("city", "city")}


def built(root):
    """Label file and manifest of a set whose clips nobody made."""
    rows, clips = [], {}
    for split, sources in SOURCES.items():
        for (place, source), kind in itertools.product(enumerate(sources), KINDS):
            id = f"{split}/{len(rows):04d}.mp4"
            rows.append(Label(id, 1 + len(rows) / 100, f"{split}/{place}", split))
            clips[id] = {"source": source, "split": split, "version": {"kind": kind}}
    write_labels(root / "labels.csv", rows)
    (root / "manifest.json").write_text(json.dumps({"clips": clips}))
    return clips


def test_sets_are_dealt_by_kind_and_halves_by_source(tmp_path):
    clips = built(tmp_path)
    assert main(["prepare", "mini-sets", "--root", str(tmp_path)]) == 0
    found = {file.stem: read_labels(file) for file in tmp_path.glob("*.csv") if file.stem != "labels"}
    kinds = {name: {clips[row.id]["version"]["kind"] for row in rows} for name, rows in found.items()}
    assert kinds["codec_train"] == kinds["codec_test"] == set(KINDS[:4])
    assert kinds["filter_train"] == kinds["filter_test"] == set(KINDS[4:])
    # cat and dog, two contents and one; mug is kept back.
    assert {name: len(rows) for name, rows in found.items()} == {
        "codec_train": 12, "filter_train": 9, "both_train": 21, "both_val": 7, "codec_test": 12, "filter_test": 9,
        "both_test": 21, "half1": 7, "half2": 14, "leaky_train": 42,
    }  # fmt: skip
    assert {clips[row.id]["source"] for row in found["both_val"]} == {"mug"}
    contents = {name: {row.content for row in rows} for name, rows in found.items()}
    for train, test in itertools.product(("codec", "filter", "both"), repeat=2):
        assert not contents[f"{train}_train"] & (contents[f"{test}_test"] | contents["both_val"])
    assert contents["half1"] | contents["half2"] == contents["both_test"] and not contents["half1"] & contents["half2"]
    assert contents["leaky_train"] == contents["both_train"] | contents["both_test"]
    for name, rows in found.items():
        wanted = "train" if name.endswith("train") else "val" if name.endswith("val") else "test"
        assert {row.split for row in rows} == {wanted}
    known = {row.id: row.score for row in read_labels(tmp_path / "labels.csv")}
    assert all(row.score == known[row.id] for rows in found.values() for row in rows)
