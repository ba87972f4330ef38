"""`analyse transfer` and `prepare mini-sets` refuse what they cannot judge or deal."""

import json
from dataclasses import replace

import pytest

from records.labels import Label, write_labels
from tests.experiments.analysis.test_transfer import clips, system, tables

SETS = ("--sets", "a=a.csv")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "analyse transfer: names neither a matrix nor an inflation; give --sets and --trained, or --halves"),
        ([*SETS, "--trained", "m/a"], "--trained: 'm/a' is no NAME=VALUE; write it so"),
        ([*SETS, "a=b.csv", "--trained", "a=m/a"], "--sets: a is given twice; give a set one file"),
        (
            [*SETS, "--trained", "a=m/a", "--pooled", "c=m/a"],
            "--pooled: c is not among those trained without a pool, a; name it as in --trained",
        ),
        (
            [*SETS, "--trained", "a=m/a", "a=m/part"],
            "a: m/a, m/part: 48 clips were predicted by two runs of seed 0, for example a/0.mp4; name one run a seed",
        ),
        (
            ["--sets", "a=more.csv", "--trained", "a=m/a"],
            "a: seed 0 was not tested on 48 of 96 clips, first b/0.mp4; run `python train.py test` on them",
        ),
        (["--sets", "a=one.csv", "--trained", "a=m/a"], "one.csv: shows a single content, of which nothing can be"),
        (["--sets", "a=empty.csv", "--trained", "a=m/a"], "empty.csv: 1 of 1 clips have no score, first a/0.mp4"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_runs_that_cannot_be_judged_across_sets(refused, says, tmp_path, words, told):
    tables(tmp_path)
    system(tmp_path, "a", {"a": 0.1}, seeds=1)
    system(tmp_path, "part", {"a": 0.1}, seeds=1)
    write_labels(tmp_path / "one.csv", [row for row in clips("a") if row.content == "a0"])
    write_labels(tmp_path / "more.csv", [*clips("a"), *clips("b")])
    write_labels(tmp_path / "empty.csv", [Label("a/0.mp4", None, "a0", "test")])
    says(refused("analyse", "transfer", *words, "--out", "out"), told)


def test_a_set_that_cannot_be_dealt(refused, says, tmp_path):
    says(refused("prepare", "mini-sets", "--root", tmp_path), "holds no built mini-kvq; python -m experiments prepare")
    rows = [replace(clips("a")[place], split=split) for place, split in enumerate(("train", "train", "val"))]
    write_labels(tmp_path / "labels.csv", rows)
    (tmp_path / "manifest.json").write_text(json.dumps({"clips": {row.id: {"source": "cat"} for row in rows}}))
    says(refused("prepare", "mini-sets", "--root", tmp_path), "a single source to train on, cat, and none to keep back")
