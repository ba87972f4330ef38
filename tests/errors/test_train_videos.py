"""`train.py` refuses data sets of videos that cannot be trained or evaluated on, naming key, file and mend."""

import shutil

import numpy as np
import pytest

from records.pseudo_labels import write_pseudo_labels
from tests.errors.experiment_files import DATA, MODEL, VIEW, VIEWS, of, tiny

pytestmark = pytest.mark.slow

HEADER = "filename,score,group,split\n"
SAMPLER = of("datamodules.video.samplers.Uniform", count=2)
KEY_FRAMES = of(f"{VIEWS}.key_frames.KeyFrames", sampler=SAMPLER, size=32)


def rows(count, content="c{}", split="train", first=0):
    names = [f"train/{number + 1:04d}.mp4" for number in range(first, first + count)]
    return "".join(f"{name},{place + 1},{content.format(place)},{split}\n" for place, name in enumerate(names))


# Values of the configuration, files of the data set, and the words that tell what is wrong.
WRONG = [
    ({f"{DATA}.root": "nowhere"}, {}, "data.init_args.root nowhere: no such folder; mend it; `python -m experiments"),
    ({f"{DATA}.root": "empty"}, {}, "empty: no label file; looked for labels.csv and for train, val and test as"),
    ({f"{DATA}.views": {}}, {}, "data.init_args.views: no view; name one for each branch of the network"),
    (
        {f"{DATA}.train_views": {"frames": KEY_FRAMES}},
        {},
        "data.init_args.train_views: 'frames' is a view too; give it",
    ),
    ({f"{DATA}.train_views": {"more": KEY_FRAMES}}, {}, "data.init_args.train_views: ... give both the same"),
    ({f"{DATA}.batch_size": 0}, {}, "data.init_args.batch_size: 0 is out of range; give 1 or more"),
    ({f"{DATA}.val_share": 2}, {}, "data.init_args.val_share: 2.0 is out of range; give 0 to 1"),
    ({f"{DATA}.labels": "nowhere.csv"}, {}, "nowhere.csv: no such file; mend the path"),
    (
        {f"{DATA}.batch_size": 99},
        {},
        "14 training clips do not fill a batch of 99 on each of 1 rank(s); give at most 14",
    ),
    ({f"{DATA}.ladders_per_batch": 2}, {}, "2 contents of up to 7 clips do not fit a batch of 7; give at most 1"),
    ({f"{DATA}.fold": 9}, {}, "data.init_args.folds: 5 folds need as many contents, and there are 3; give at most 3"),
    ({f"{DATA}.fold": 9, f"{DATA}.folds": 2}, {}, "data.init_args.fold: no fold 9; there are 0 to 1"),
    ({f"{DATA}.fold": 0}, {"folds.csv": "a,b\n"}, "folds.csv: does not start with the header filename,fold; put it"),
    ({f"{DATA}.fold": 0}, {"folds.csv": "filename,fold\na.mp4,x\n"}, "fold ['x'] is not a whole number from 0; mend"),
    ({f"{DATA}.fold": 0}, {"folds.csv": "filename,fold\na.mp4,1\na.mp4,1\n"}, "row 3: a.mp4 stands twice; mend them"),
    ({f"{DATA}.fold": 0}, {"folds.csv": "filename,fold\na.mp4,1\n"}, "labelled clips have no fold, for example train/"),
    (
        {f"{DATA}.fold": 0, f"{DATA}.labels": "l.csv"},
        {
            "l.csv": HEADER + rows(4, "one"),
            "folds.csv": "filename,fold\n" + "".join(f"train/000{n}.mp4,{n % 2}\n" for n in range(1, 5)),
        },
        "content one stands in folds 1 and 0; give all clips of a content one fold",
    ),
    (
        {f"{DATA}.labels": "l.csv"},
        {"l.csv": HEADER + rows(8), "folds.csv": "filename,fold\ntrain/0001.mp4,0\n"},
        "has no fold; list every clip as filename,fold",
    ),
    (
        {f"{DATA}.labels": "l.csv"},
        {"l.csv": HEADER + rows(8, "one")},
        "all 8 training clips are of one content, so none",
    ),
    (
        {f"{DATA}.labels": "l.csv"},
        {"l.csv": HEADER + rows(2) + rows(2, split="val", first=2)},
        "train and val share 2 contents, for example c0, c1; give every content one split",
    ),
    ({f"{DATA}.labels": "l.csv"}, {"l.csv": HEADER + rows(2).replace(",1,", ",,")}, "1 of 2 train clips have no score"),
    (
        {f"{DATA}.labels": "l.csv"},
        {"l.csv": HEADER + rows(1) + rows(2, "v{}", "val", 2).replace(",1,", ",,")},
        "1 of 2 val clips have no score; leave them all empty to seal the split",
    ),
    ({}, {"val.csv": "filename,score\ntrain/0001.mp4,1\n"}, "train/0001.mp4 stands in train too; keep one"),
    ({}, {"pairs.csv": "kind,video1,video2,rank\nsource,a.mp4,b.mp4,1\n"}, "names a.mp4, which no label file lists"),
    ({}, {"train.csv": HEADER + rows(9).replace("train/", "gone/")}, "none of the ... train clips is there"),
    ({f"{DATA}.on_unreadable": "fail"}, {"train/": b"no video"}, "not a video; mend or remove the file, or set"),
    ({}, {"train/": b""}, "2 of 14 train clips cannot be read, and 1 are put up with; mend the files listed there"),
    (
        {VIEW: of(f"{VIEWS}.expert_rows.ExpertRows", root="bank", experts={"a": 4})},
        {},
        "bank/a: holds no feature bank; fill it with",
    ),
    (
        {f"{DATA}.pool": {"labels": "p", "root": "data", "share": 0}},
        {},
        "pool.share: 0.0 is out of range; give above 0",
    ),
    (
        {f"{DATA}.pool": {"labels": "p", "root": "data", "max_spread": 0}},
        {},
        "data.init_args.pool.max_spread: 0.0 is out of range; give above 0",
    ),
    ({f"{DATA}.pool": {"labels": "p", "root": "data"}}, {}, "p: no such file; label a pool first"),
    (
        {f"{DATA}.pool": {"labels": "data/train.csv", "root": "data"}},
        {},
        "train.csv: is not a readable Parquet table ... label a pool first",
    ),
    (
        {f"{DATA}.pool": {"labels": "data/none.parquet", "root": "data"}},
        {"none.parquet": [float("nan")]},
        "none of 1 clips has a score and a spread up to inf; raise data.init_args.pool.max_spread",
    ),
    (
        {
            f"{DATA}.pool": {"labels": "data/held.parquet", "root": "data"},
            f"{MODEL}.pool_loss": of("losses.mse.MSELoss"),
        },
        {"held.parquet": [1.0]},
        "1 of 1 pool clips are held out for validation or test, first val/0001.mp4; label a pool without them",
    ),
    (
        {f"{DATA}.pool": {"labels": "data/new.parquet", "root": "data/train"}, f"{DATA}.batch_size": 1},
        {"new.parquet": [1.0]},
        "a batch of one clip cannot hold a labelled and a pool clip; give 2 or more",
    ),
    (
        {f"{DATA}.pool": {"labels": "data/new.parquet", "root": "data/train"}, f"{DATA}.batch_size": 2},
        {"new.parquet": [1.0]},
        "model.init_args.pool_loss: there is a pool but no loss on it; give one, or pool_weight: 0",
    ),
]


@pytest.fixture
def here(tmp_path, world):
    shutil.copytree(world / "kvq", tmp_path / "data")
    (tmp_path / "empty").mkdir()
    return tmp_path


def put(root, files):
    for name, content in files.items():
        if name == "train/":
            for file in (root / "train").iterdir():
                file.write_bytes(content)
        elif name.endswith(".parquet"):
            id = "val/0001.mp4" if name == "held.parquet" else "0001.mp4"
            write_pseudo_labels(root / name, [id], np.array(content), np.array([0.1]), ["x"], {})
        else:
            (root / name).write_text(content)


@pytest.mark.parametrize(("changes", "files", "told"), WRONG, ids=[told[:60] for _, _, told in WRONG])
def test_data_that_cannot_be_trained_on(here, refused, says, changes, files, told):
    put(here / "data", files)
    file = tiny(here / "wrong.yaml", {"trainer.max_epochs": 1, **changes})
    says(refused("train.py", "fit", "--config", file), told)


PREDICTED = [
    ("--data.init_args.predict_paths [nowhere]", "nowhere: no such file or folder; mend the path"),
    ("--data.init_args.predict_paths [empty]", "empty: no video found; give video files"),
    (
        "--data.init_args.predict_split nope",
        "no nope clips; there are train (14), val (7), test (7); name label files in",
    ),
    ("--data.init_args.predict_paths [data/list.csv]", "list.csv: row 2 names 'x.mp4', which is not there; mend the"),
    ("--ckpt_path data/train.csv", "train.csv: "),
]


@pytest.mark.parametrize(("words", "told"), PREDICTED, ids=[words for words, _ in PREDICTED])
def test_what_cannot_be_predicted(here, refused, says, words, told):
    put(here / "data", {"list.csv": "filename\nx.mp4\n"})
    file = tiny(here / "right.yaml", {})
    (here / "c").write_bytes(b"")
    words = words if "ckpt" in words else f"{words} --ckpt_path c"
    says(refused("train.py", "predict", "--config", file, *words.split()), told)
