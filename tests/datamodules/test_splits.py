"""Splits hold contents whole, whatever asks for them."""

import pytest

from datamodules.splits import make_splits
from records.errors import UserError
from records.labels import SPLITS, Label, read_labels


def labels(contents: int, split: str | None = "train", score: float | None = 3.0, each: int = 7) -> list[Label]:
    return [
        Label(f"{split}/{content}-{version}.mp4", score, f"{split}/{content}", split)
        for content in range(contents)
        for version in range(each)
    ]


def contents_of(rows: list[Label]) -> set[str]:
    return {label.content for label in rows}


def test_published_splits_stay_as_they_are():
    rows = labels(5) + labels(2, "val") + labels(3, "test")
    splits = make_splits(rows)
    assert {name: len(splits[name]) for name in SPLITS} == {"train": 35, "val": 14, "test": 21}


def test_kvq_training_list_gives_334_and_84_contents(shared_data):
    rows = read_labels(shared_data / "labels" / "kvq_train.csv")
    splits = make_splits(rows)
    assert (len(contents_of(splits["train"])), len(contents_of(splits["val"]))) == (334, 84)
    assert (len(splits["train"]), len(splits["val"])) == (2338, 588)
    assert not contents_of(splits["train"]) & contents_of(splits["val"])
    assert {label.split for label in splits["val"]} == {"val"}


def test_the_held_out_share_depends_on_its_seed_alone():
    rows = labels(40)
    held = [
        contents_of(make_splits(order, split_seed=seed)["val"])
        for order, seed in ((rows, 0), (rows[::-1], 0), (rows, 1))
    ]
    assert held[0] == held[1] != held[2]


def test_an_unscored_validation_list_is_kept_for_prediction():
    splits = make_splits(labels(10) + labels(2, "val", None))
    assert len(splits["official_val"]) == 14
    assert {label.split for label in splits["official_val"]} == {"official_val"}
    assert len(contents_of(splits["val"])) == 2
    assert all(label.score is not None for label in splits["val"])


@pytest.mark.parametrize("fold", range(5))
def test_folds_by_content_share_nothing_and_cover_everything(shared_data, fold):
    rows = read_labels(shared_data / "labels" / "konvid_1k.txt") if fold == 0 else labels(23)
    splits = make_splits(rows, fold=fold)
    assert not contents_of(splits["train"]) & contents_of(splits["val"])
    assert [label.id for label in splits["val"]] == [label.id for label in splits["test"]]
    assert {label.id for label in splits["train"] + splits["val"]} == {label.id for label in rows}


def test_each_content_is_held_out_in_exactly_one_fold():
    rows = labels(23)
    held = [contents_of(make_splits(rows, fold=fold)["val"]) for fold in range(5)]
    assert set().union(*held) == contents_of(rows)
    assert sum(map(len, held)) == 23
    assert max(map(len, held)) - min(map(len, held)) <= 1


def test_published_test_clips_stay_out_of_folds_by_content():
    splits = make_splits(labels(10) + labels(3, "test"), fold=0)
    assert not any(label.id.startswith("test/") for name in SPLITS for label in splits[name])
    assert len(splits["official_test"]) == 21


def test_a_folds_file_keeps_sources_whole():
    rows = labels(6)
    source = {label.id: int(label.content[-1]) // 2 for label in rows}  # two contents are windows of one source
    splits = make_splits(rows, fold=1, fold_of=source)
    assert contents_of(splits["val"]) == {"train/2", "train/3"}
    splits = make_splits(rows, fold_of=source)
    assert {source[label.id] for label in splits["train"]}.isdisjoint(source[label.id] for label in splits["val"])
    assert len(splits["val"]) == 14


def test_folds_file_takes_in_every_clip_it_lists():
    rows = labels(4) + labels(2, "test")
    splits = make_splits(rows, fold=0, fold_of={label.id: int(label.content[-1]) % 2 for label in rows})
    assert {label.id for label in splits["train"] + splits["val"]} == {label.id for label in rows}


@pytest.mark.parametrize(
    "broken, told",
    [
        ({"fold": 9}, "no fold 9"),
        ({"fold": 0, "folds": 30}, "as many contents"),
        ({"fold": 0, "fold_of": {"train/0-0.mp4": 0}}, "have no fold"),
        ({"fold_of": {"train/0-0.mp4": 0}}, "has no fold"),
    ],
)
def test_folds_that_cannot_be_are_refused(broken, told):
    with pytest.raises(UserError, match=told):
        make_splits(labels(6), **broken)


def test_a_content_in_two_folds_is_refused():
    rows = labels(4)
    fold_of = {label.id: place % 2 for place, label in enumerate(rows)}
    with pytest.raises(UserError, match="stands in folds"):
        make_splits(rows, fold=0, fold_of=fold_of)


@pytest.mark.parametrize("pair", [("train", "val"), ("train", "test"), ("val", "test")])
def test_one_content_on_two_sides_is_refused(pair):
    rows = [Label(f"{name}.mp4", 3.0, f"content of {name}", name) for name in SPLITS]
    rows += [Label(f"{name} leaks.mp4", 3.0, "leak", name) for name in pair]
    with pytest.raises(UserError, match=r"share 1 contents, for example leak.*allow_content_leak"):
        make_splits(rows)
    with pytest.warns(UserWarning, match="allow_content_leak"):
        make_splits(rows, allow_content_leak=True)


def test_a_split_by_file_needs_the_flag_and_warns():
    rows = labels(20)
    with pytest.warns(UserWarning, match="too high"):
        splits = make_splits(rows, allow_content_leak=True)
    assert contents_of(splits["train"]) & contents_of(splits["val"])
    assert len(splits["val"]) == 28


@pytest.mark.parametrize(
    "rows, told",
    [
        (labels(1), "all 7 training clips are of one content"),
        ([*labels(3), Label("x.mp4", None, "x", "train")], "1 of 22 train clips have no score"),
        ([*labels(3), *labels(1, "val"), Label("x.mp4", None, "x", "val")], "1 of 8 val clips have no score"),
    ],
)
def test_labels_that_cannot_be_split_are_refused(rows, told):
    with pytest.raises(UserError, match=told):
        make_splits(rows)


def test_names_of_other_splits_are_kept():
    splits = make_splits(labels(5) + labels(1, "val") + labels(2, "pool", None))
    assert len(splits["pool"]) == 14
