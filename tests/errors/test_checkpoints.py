"""Checkpoints, members and runs that do not fit are refused, naming the file and the mend."""

import shutil

import pytest
import torch
import yaml

from callbacks.run_facts import KEY as RUN
from lightning_modules.ensemble import KEY as ENSEMBLE
from tests.command import ROOT, TINY, train
from tests.errors.experiment_files import BRANCH, MODEL, NETWORK, tiny
from tests.errors.test_train_images import DIFFUSION
from tests.experiments.enhance_checkpoints import diffusion_checkpoint, fusion_checkpoint

pytestmark = pytest.mark.slow

TEACHER = ROOT / "tests/configs/tiny_teacher.yaml"
LABELS = ROOT / "configs/trainer/pseudo_labels.yaml"
CANDIDATES = ROOT / "configs/trainer/candidates.yaml"
ASSESS, ENHANCE = "assess {world}/kvq/val --checkpoint", "enhance {world}/a --out o --checkpoint"
WRONG = [
    (
        f"{ASSESS} empty.ckpt",
        "--checkpoint empty.ckpt: not a loadable checkpoint (it is empty); use best.ckpt beside it",
    ),
    (f"{ASSESS} other.ckpt", "other.ckpt: not a loadable checkpoint (it holds no state_dict); give best.ckpt"),
    (f"{ASSESS} damaged.ckpt", "damaged.ckpt: damaged: its bytes are not those that were written"),
    (f"{ASSESS} pixel.ckpt", "no checkpoint of a quality network of this project; give best.ckpt of a fit of VQA"),
    (f"{ASSESS} foreign.ckpt", "names 'os.system', which is neither ours nor ... use one that you trust"),
    (f"{ASSESS} smaller.ckpt", "smaller.ckpt: holds other weights, ... give the model.init_args that it was trained"),
    (f"{ASSESS} optionless.ckpt", "optionless.ckpt: ... has no option 'nam'; did you mean 'name'?"),
    (f"{ENHANCE} best.ckpt", "--checkpoint best.ckpt: no checkpoint of a one-step diffusion; give best.ckpt of such"),
    (f"{ENHANCE} bare.ckpt", "--checkpoint bare.ckpt: does not say what network it holds; give best.ckpt of a run"),
    (
        f"{ENHANCE} pixel.ckpt --fusion f.ckpt",
        "pixel.ckpt: has one candidate, and a fusion needs two; give a checkpoint",
    ),
    (f"{ENHANCE} semantic.ckpt --fusion pixel.ckpt", "--fusion pixel.ckpt: no checkpoint of a fusion; give best.ckpt"),
    (f"{ENHANCE} semantic.ckpt --base nowhere", "--checkpoint semantic.ckpt: ... no diffusion base nowhere"),
    ("train.py test --config {tiny} --ckpt_path empty.ckpt", "empty.ckpt: not a loadable checkpoint (it is empty)"),
    (
        f"train.py test --config {{tiny}} --ckpt_path best.ckpt --{NETWORK}.head.init_args.hidden 9",
        "holds other weights",
    ),
    (f"train.py test --config {TEACHER} --{MODEL}.members [nowhere]", "members nowhere: no such checkpoint; give best"),
    (f"train.py test --config {TEACHER} --{MODEL}.members [best.ckpt]", "does not say what it made of its training"),
    (f"train.py fit --config {TEACHER} --{MODEL}.members [best.ckpt]", "members: a fit trains one network; leave"),
    (
        f"train.py test --config {TEACHER} --{MODEL}.members [best.ckpt] --ckpt_path best.ckpt",
        "--ckpt_path: names a checkpoint beside the members; give one of the two",
    ),
    (
        "train.py fit --config {tiny} --" + MODEL + ".init_from pixel.ckpt --run.variant new",
        "pixel.ckpt: holds other weights",
    ),
    (
        f"train.py test --config {TEACHER} --{MODEL}.members [equal.ckpt]",
        "equal.ckpt: gave one score to its whole training set",
    ),
    (
        "train.py test --config {tiny} --ckpt_path frozen.ckpt",
        "its frozen branch 'frames' has the hash x, and the weights there ... give the file that it was trained",
    ),
    (
        f"train.py test --config {{tiny}} --ckpt_path frozen.ckpt --{BRANCH}.init_args.weights nowhere.pth",
        "its frozen branch 'frames' cannot be loaded (no such file of weights: nowhere.pth ... put the weights back to",
    ),
    (f"{ENHANCE} unbuilt.ckpt", "--checkpoint unbuilt.ckpt: "),
    ("train.py predict --config {tiny} --config " + str(CANDIDATES) + " --ckpt_path best.ckpt", "VQAStudent gives no"),
    ("train.py test --config diffusion.yaml --ckpt_path semantic.ckpt", "its stage is 'semantic', not 'pixel'; stage"),
    (
        "train.py test --config diffusion.yaml --ckpt_path bare.ckpt",
        "bare.ckpt: no checkpoint of a fit; give best.ckpt or",
    ),
    ("train.py test --config diffusion.yaml --ckpt_path best.ckpt", "no checkpoint of such a model; give one that a"),
    (
        "train.py fit --config {tiny} --trainer.max_epochs 1 --" + MODEL + ".head_lr 2",
        "with another configuration: mod",
    ),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory, world):
    """One fit of the tiny student, and checkpoints that are wrong in every way."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "data").symlink_to(world / "kvq")
    done = train("fit", "--config", TINY, "--trainer.max_epochs", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    best = folder / "best.ckpt"
    shutil.copy(folder / "runs/tiny_student/base-seed0/checkpoints/best.ckpt", best)
    (folder / "empty.ckpt").write_bytes(b"")
    whole = bytearray(best.read_bytes())
    whole[len(whole) // 2] ^= 255
    (folder / "damaged.ckpt").write_bytes(whole)
    torch.save({"a": 1}, folder / "other.ckpt")
    torch.save({"state_dict": {}}, folder / "bare.ckpt")
    facts = torch.load(best, weights_only=True)
    network = next(value for value in facts.values() if isinstance(value, dict) and "views" in value)["model"]
    branch = network["init_args"]["network"]["init_args"]["branches"]["frames"]
    branch["init_args"]["nam"] = "x"
    torch.save(facts, folder / "optionless.ckpt")
    del branch["init_args"]["nam"]
    branch["class_path"] = "os.system"
    torch.save(facts, folder / "foreign.ckpt")
    branch["class_path"] = "models.vqa.timm_frames.TimmFrames"
    torch.save({**facts, "frozen": {"frames": {"source": "w.pth", "sha256": "x"}}}, folder / "frozen.ckpt")
    torch.save({**facts, ENSEMBLE: {"mean": 1.0, "sd": 0.0, "label_mean": 1.0, "label_sd": 1.0}}, folder / "equal.ckpt")
    facts["state_dict"].popitem()
    torch.save(facts, folder / "smaller.ckpt")
    for stage in ("pixel", "semantic"):
        diffusion_checkpoint(folder / f"{stage}.ckpt", stage)
        written = torch.load(folder / f"{stage}.ckpt", weights_only=True)
        torch.save({**written, "pytorch-lightning_version": "2.6"}, folder / f"{stage}.ckpt")
    written[RUN]["model"]["init_args"]["network"]["init_args"]["rank_pixel"] = "x"
    torch.save(written, folder / "unbuilt.ckpt")
    fusion_checkpoint(folder / "f.ckpt")
    values = yaml.safe_load(yaml.safe_dump(DIFFUSION))
    values["data"]["init_args"]["root"] = str(world / "kwaisr")
    values["model"]["init_args"]["network"]["init_args"] |= {"rank_pixel": 2, "rank_semantic": 3}
    (folder / "diffusion.yaml").write_text(yaml.safe_dump(values))
    return folder


@pytest.mark.parametrize(("words", "told"), WRONG, ids=[words[-50:] for words, _ in WRONG])
def test_what_does_not_fit(made, world, refused, says, monkeypatch, words, told):
    monkeypatch.chdir(made)
    says(refused(*words.format(world=world, tiny=TINY).split()), told)


def test_labels_need_a_trained_teacher(made, refused, says, monkeypatch):
    monkeypatch.chdir(made)
    file = tiny(made / "again.yaml", {})
    told = refused("train.py", "predict", "--config", file, "--config", LABELS, "--run.experiment", "none")
    says(told, "no checkpoint of this run; run `python train.py fit` with the same words first")
