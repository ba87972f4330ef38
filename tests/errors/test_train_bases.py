"""`train.py` refuses diffusion bases, prompts, weights of distances, and images one by one, naming file and mend."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
import yaml

from records.images import write_image
from tests.datamodules.stored_candidates import write_stored_candidates
from tests.errors.experiment_files import DATA, MODEL, NETWORK, changed, of
from tests.errors.test_train_images import DEGRADATION, DIFFUSION, FUSION, OPTIMIZER
from tests.models.sr.base_folders import TOKENS, WIDTH, write_base

pytestmark = pytest.mark.prove

BASED = {f"{NETWORK}.backbone.init_args.pretrained": "base"}
TAGGED = {f"{MODEL}.tags": "tags"}
PERCEPTUAL = f"{MODEL}.perceptual"
FAIL = {f"{DATA}.on_unreadable": "fail"}
CONTROLLED = {
    "model": of(
        "lightning_modules.controlnet_sr.ControlNetSR",
        network=of(
            "models.sr.controlled.ControlledSR", backbone=of("models.sr.backbone.DiffusionBackbone", pretrained=None)
        ),
        optimizer=OPTIMIZER,
    )
}


def edited(name, **values):
    """Change values of a configuration of the base."""

    def edit(root):
        file = root / "base" / name
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    return edit


def stored(name, tensors, **facts):
    def store(root):
        from safetensors.torch import save_file

        save_file(tensors, root / name, facts or None)

    return store


def state(name, tensors):
    return lambda root: torch.save(tensors, root / name)


def wide(root):
    """A base for filling in, as it were, whose UNet takes more than a latent."""
    from diffusers import UNet2DConditionModel

    from models.sr.shapes import build

    config = {**build("tiny", seed=1)[0].config, "in_channels": 9, "_use_default_values": []}
    UNet2DConditionModel.from_config(config).save_pretrained(root / "base/unet")


def scribbled(name):
    return lambda root: (root / name).write_bytes(b"nothing of use")


def tags(ids, encoder=None):
    """A table of tags, of the encoder of the base that is built."""

    def write(root):
        from models.sr.backbone import DiffusionBackbone

        known = encoder or str(DiffusionBackbone(None).encoder_id)
        stored("tags", {"embeddings": torch.zeros(1, TOKENS, WIDTH)}, encoder=known, ids=ids)(root)

    return write


def controlled(**arguments):
    values = changed(
        yaml.safe_load(yaml.safe_dump(CONTROLLED["model"])),
        {f"init_args.network.init_args.{key}": value for key, value in arguments.items()},
    )
    return {"model": values}


CONV = {f"features.{place}.weight": torch.zeros(2, 2, 1, 1) for place in range(5)}
BIAS = {f"features.{place}.bias": torch.zeros(2) for place in range(5)}
SEMANTICS = "models.sr.semantic_encoders"
WRONG = [
    (BASED, wide, "channels, its VAE makes "),
    (BASED, edited("unet/config.json", dropout=0.1), "the UNet of base has dropout in "),
    (
        BASED,
        edited("unet/config.json", class_embed_type="timestep"),
        "the UNet of base needs more than a prompt; take one",
    ),
    (BASED, edited("vae/config.json", _class_name="Other"), "base/vae is of class Other; only AutoencoderKL and"),
    (
        BASED,
        edited("scheduler/scheduler_config.json", prediction_type="v_prediction"),
        "this base predicts v_prediction, and",
    ),
    (
        BASED,
        stored(
            "base/prompts.safetensors", {kind: torch.zeros(TOKENS, 5) for kind in ("positive", "negative", "empty")}
        ),
        "wide prompts, its own are 5",
    ),
    (
        BASED,
        stored("base/prompts.safetensors", {"empty": torch.zeros(TOKENS, WIDTH)}),
        "prompts.safetensors lacks positive, negative",
    ),
    (
        BASED,
        scribbled("base/prompts.safetensors"),
        "prompts.safetensors is no readable file of safetensors (SafetensorError",
    ),
    (
        {**BASED, f"{NETWORK}.backbone.init_args.positive": "sharp"},
        None,
        "words of one's own need tokenizer/ and text_encoder/, which base lacks; leave",
    ),
    (
        {f"{NETWORK}.backbone.init_args.pretrained": "owner/name"},
        "no hub",
        "the diffusion base owner/name (vae/, unet/, ... could it be fetched (OSError); set",
    ),
    (TAGGED, tags("{", "another"), "the tags in tags were embedded by another text encoder (another) than"),
    (TAGGED, tags("{"), "the list of images in tags is damaged; build the table of these very images"),
    (TAGGED, tags("{}"), "tags has no tags of train/synthetic/lr/"),
    (
        controlled(semantics=of(f"{SEMANTICS}.Sam2Encoder", folder="nowhere")),
        None,
        "semantics: nowhere holds no SAM 2 model of transformers (",
    ),
    (
        controlled(semantics=of(f"{SEMANTICS}.TimmEncoder", name="test_efficientnet", weights="nowhere")),
        None,
        "semantics: no file nowhere; give",
    ),
    (controlled(semantics=of(f"{SEMANTICS}.TinyEncoder", channels=4), repeats=0), None, "repeats 0 must be at least 1"),
    (
        {PERCEPTUAL: of("losses.perceptual.STLPIPS", weights="w.pth")},
        state("w.pth", {"a": torch.zeros(1)}),
        "w.pth: holds no convolutions with biases named",
    ),
    (
        {PERCEPTUAL: of("losses.perceptual.LPIPS", net="alex", backbone="w.pth")},
        state("w.pth", {**CONV, **BIAS}),
        "the weights of lpips-alex are of another network; give those of alex",
    ),
    (
        {PERCEPTUAL: of("losses.perceptual.STLPIPS", weights="w.pth")},
        state("w.pth", {"net.slice1.0.weight": torch.zeros(2, 2, 1, 1), "net.slice1.0.bias": torch.zeros(2)}),
        "w.pth: holds no lin0.model.1.weight",
    ),
    # Images one by one.
    (FAIL, "other sizes", "HR is "),
    ({}, "all torn", "train images cannot be read, and "),
    ({}, "linked", "lr: leads out of the data root by a link; copy what it leads to there"),
]
BLEND = {f"{MODEL}.network": of("models.sr.band_fusion.BandFusion", bands=0)}
FUSED = [
    (BLEND, "", "bands 0 must be at least 1"),
    (FAIL, "other sizes", "lr is 32x24 pixels, not 24x24; mend or remove the file, or set"),
    ({}, "no lr", "images have no LR, for example ... put LR beside them"),
    ({}, "folder", "holds no candidates (ValueError: 'a/b' is no name of a folder)"),
    ({}, "id", "holds no candidates (ValueError: file name 'a//b' is not written as an id)"),
    ({}, "scale", "has no size or scale"),
]


@pytest.fixture
def here(tmp_path, world):
    shutil.copytree(world / "kwaisr", tmp_path / "data")
    write_base(tmp_path / "base")
    return tmp_path


def damage(root, done, monkeypatch):
    lr = root / "data/train/synthetic/lr"
    if callable(done):
        done(root)
    elif done == "no hub":

        def fetch(*_, **__):
            raise OSError("no network")

        monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    elif done == "other sizes":
        # As if they changed after their headers were read.
        monkeypatch.setattr("datamodules.image.sizes.Sizes.refuse_other_ratios", lambda *_: None)
        for file in lr.iterdir():
            write_image(file, np.zeros((24, 32, 3), np.uint8))
    elif done == "all torn":
        for file in lr.iterdir():
            file.write_bytes(file.read_bytes()[:-200])
    elif done == "linked":
        shutil.move(lr, root / "lr")
        os.symlink(root / "lr", lr)


@pytest.mark.parametrize(("changes", "done", "told"), WRONG, ids=[told[:60] for _, _, told in WRONG])
def test_what_cannot_be_restored(here, refused, says, monkeypatch, changes, done, told):
    damage(here, done, monkeypatch)
    fit(here, refused, says, DIFFUSION, changes, told)


def fit(here, refused, says, experiment, changes, told):
    values = changed(yaml.safe_load(yaml.safe_dump(experiment)), changes)
    (here / "wrong.yaml").write_text(yaml.safe_dump(values))
    says(refused("train.py", "fit", "--config", "wrong.yaml"), told)


@pytest.mark.parametrize(("changes", "done", "told"), FUSED, ids=[told[:60] for _, _, told in FUSED])
def test_what_cannot_be_fused(here, refused, says, monkeypatch, changes, done, told):
    write_stored_candidates(here / "candidates", here / "data", "maker", set())
    file = here / "candidates/candidates.json"
    if done == "other sizes":
        damage(here, done, monkeypatch)
    elif done:
        facts = json.loads(file.read_text())
        for row in facts["images"] if done == "no lr" else ():
            row["id"] = row["id"].replace("/lr/", "/hr/")
        for folder in (here / "data").glob("*/*/lr") if done == "no lr" else ():
            shutil.rmtree(folder)
        facts["images"][0] |= {"no lr": {}, "folder": {"domain": "a/b"}, "id": {"id": "a//b"}, "scale": {"scale": 0}}[
            done
        ]
        file.write_text(json.dumps(facts))
    fit(here, refused, says, FUSION, changes, told)


def predicted(refused, experiment, changes, *words, code=2):
    with open("wrong.yaml", "w", encoding="utf-8") as file:
        yaml.safe_dump(changed(yaml.safe_load(yaml.safe_dump(experiment)), changes), file)
    return refused("train.py", "predict", "--config", "wrong.yaml", *words, code=code)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nowhere", "predict_paths: nowhere: no such file or folder; mend the path"),
        ("empty", "no image found, that is no"),
    ],
)
def test_images_that_are_not_there(here, refused, says, path, told):
    (here / "empty").mkdir()
    (here / "c").write_bytes(b"")
    says(predicted(refused, DIFFUSION, {}, "--ckpt_path", "c", f"--{DATA}.predict_paths", f"[{path}]"), told)


WRITER = {"trainer.callbacks": [of("callbacks.candidates.CandidateWriter", out="out")]}


def test_candidates_of_another_maker(here, refused, says):
    write_stored_candidates(here / "out", here / "data", "maker", set())
    (here / "c").write_bytes(b"")
    told = predicted(refused, DIFFUSION, WRITER, "--ckpt_path", "c")
    says(told, "out/candidates.json: holds candidates made with another checkpoint ... or remove out")


def test_candidates_of_a_model_without_weights(here, refused, says):
    write_stored_candidates(here / "candidates", here / "data", "maker", set())
    blend = {f"{MODEL}.network": of("models.sr.blend.Blend")}
    says(predicted(refused, FUSION, {**WRITER, **blend}), "--ckpt_path: candidates need a trained model; give a")


def test_an_original_smaller_than_the_scale(here, refused, says):
    for folder in (here / "data").glob("*/synthetic/lr"):
        shutil.rmtree(folder)
    for file in (here / "data/val/synthetic/hr").iterdir():
        write_image(file, np.zeros((3, 3, 3), np.uint8))
    fit(
        here,
        refused,
        says,
        DIFFUSION,
        {**FAIL, f"{DATA}.degradation": of(DEGRADATION)},
        "3x3 pixels are too few for scale 4",
    )


def test_an_image_that_fits_no_memory(here, refused, says, monkeypatch):
    from lightning_modules.diffusion_sr import DiffusionSR

    def restore(self, batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(DiffusionSR, "restore", restore)
    (here / "wrong.yaml").write_text(yaml.safe_dump(DIFFUSION))
    told = refused("train.py", "fit", "--config", "wrong.yaml", code=1)
    says(told, "0001.png: CUDA out of memory. Tried to allocate 2.00 GiB; use a device with more memory, or leave")
