"""`train.py` refuses images, candidates and super-resolution models that cannot be, naming key, file and mend."""

import shutil

import numpy as np
import pytest
import yaml

from records.images import write_image
from tests.command import ROOT
from tests.datamodules.stored_candidates import write_stored_candidates
from tests.errors.experiment_files import DATA, MODEL, NETWORK, changed, of

pytestmark = pytest.mark.prove

OPTIMIZER = of("torch.optim.AdamW", lr=0.001)
BACKBONE = of("models.sr.backbone.DiffusionBackbone", pretrained=None)
CANDIDATES = "datamodules.sr_candidates.SRCandidatesDataModule"
COMMON = {
    "base": str(ROOT / "configs/trainer/cpu.yaml"),
    "seed_everything": 0,
    "trainer": {"max_epochs": 1},
    "wandb": {"mode": "disabled"},
}
DIFFUSION = {
    **COMMON,
    "data": of("datamodules.kwaisr.KwaiSRDataModule", root="data", crop=32, batch_size=1, num_workers=0),
    "model": of(
        "lightning_modules.diffusion_sr.DiffusionSR",
        network=of("models.sr.one_step.OneStepSR", backbone=BACKBONE, rank_pixel=2, rank_semantic=2),
        stage="pixel",
        optimizer=OPTIMIZER,
    ),
}
FUSION = {
    **COMMON,
    "data": of(CANDIDATES, roots=["candidates"], truth="data", crop=32, batch_size=1, num_workers=0),
    "model": of(
        "lightning_modules.nafusion.NAFusionTask",
        network=of("models.sr.nafusion.NAFusion", preset="S"),
        perceptual=None,
        optimizer=OPTIMIZER,
    ),
}
LAYOUT, DEGRADATION = f"{DATA}.layout", "datamodules.image.degradation.degradation.Degradation"


def degraded(**arguments):
    return {f"{DATA}.degradation": of(DEGRADATION, **arguments)}


# Values of the configuration, what is done to the files, and the words that tell what is wrong.
WRONG = [
    ({LAYOUT: {"lr": "lr"}}, "", f"{LAYOUT}.lr: 'lr' is the same for all splits; write {{split}} for the split"),
    ({LAYOUT: {"lr": "../{split}"}}, "", f"{LAYOUT}.lr: '../{{split}}' leaves the root; name a folder below it"),
    ({LAYOUT: {"splits": {"dev": "x"}}}, "", f"{LAYOUT}.splits: no split 'dev'; name train, val, test"),
    ({LAYOUT: {"content": "("}}, "", f"{LAYOUT}.content: no regular expression ... mend it"),
    ({LAYOUT: {"content": "x"}}, "", f"{LAYOUT}.content: has no group; put the content's part in parentheses"),
    ({f"{DATA}.crop": 30}, "", f"{DATA}.crop: 30 is no multiple of scale 4; give 32"),
    ({f"{DATA}.scale": 0}, "", f"{DATA}.scale: 0 is out of range; give 1 or more"),
    (degraded(scale=2), "", f"{DATA}.degradation.init_args.scale: 2 is not the data's scale, 4; give both the same"),
    (degraded(scale=0), "", "scale: 0 is below 1; give 4, as KwaiSR has it"),
    (degraded(preset="x"), "", "preset: value 'x' does not fit; choose one of 'realesrgan'"),
    (degraded(codec=2.0), "", "codec: 2 is no probability; give a number from 0 to 1"),
    (degraded(ranges={"x": [1, 2]}), "", "ranges: 'x' is no range of the degradation; write crf, first.jpeg"),
    (degraded(ranges={"crf": [40, 20]}), "", "ranges: 'crf' is from 40 to 20; give two numbers, the lower one first"),
    ({f"{DATA}.fold": 0, f"{DATA}.hr_folders": ["data"]}, "", "contents of own folders are not known ... give [] with"),
    ({f"{DATA}.hr_folders": ["nowhere"]}, "", f"{DATA}.hr_folders: nowhere: no such folder; give folders of high-res"),
    ({f"{DATA}.hr_folders": ["empty"]}, "", f"{DATA}.hr_folders: empty: no image in it; give folders of high-res"),
    (
        {f"{DATA}.hr_folders": ["data/val/synthetic/hr"], **degraded()},
        "",
        "2 of the images are held out for validation or test",
    ),
    ({f"{DATA}.hr_folders": ["one/hr", "two/hr"]}, "twins", "are both named 'hr/0.png'; rename a folder or a file"),
    ({f"{DATA}.root": "nowhere"}, "", "nowhere: no such folder; look at data.init_args.root"),
    ({f"{DATA}.root": "empty"}, "", "empty: no train images in ... look at data.init_args.root"),
    (
        {f"{DATA}.scale": 2},
        "",
        "HR is ... not 1/2 of it (and so are 3 more pairs); mend the pair, or set data.init_args",
    ),
    ({}, "lone", "1 of 4 images have no LR of the same name, for example ... put LR '0001' there, or remove the other"),
    ({}, "named twice", "0002.bmp and 0002.png have one name; keep one of them, or rename it"),
    ({}, "no lr", "4 train images have no LR, for example ... put LR beside them, or give data.init_args.degradation"),
    ({}, "no hr", "images have no HR, for example ... put HR of the same name beside them"),
    ({f"{DATA}.on_unreadable": "fail"}, "torn", "mend or remove the file, or set data.init_args.on_unreadable: subst"),
    # Models.
    ({f"{MODEL}.stage": "semantic"}, "", "init_from: stage semantic needs a trained adapter pixel; give best.ckpt of"),
    ({f"{MODEL}.init_from": "c"}, "", f"{MODEL}.init_from c: no such checkpoint; give best.ckpt or last.ckpt of a run"),
    ({f"{MODEL}.pixel_adapter": False}, "", f"{MODEL}: pixel_adapter is false: that is for stage semantic without"),
    ({f"{MODEL}.mse": 0.0}, "", f"{MODEL}: all losses have weight 0; give model.init_args.mse one"),
    ({f"{MODEL}.empty_prompt": 2.0}, "", f"{MODEL}: empty_prompt 2.0 must be in [0, 1]"),
    ({f"{MODEL}.monitor": "perceptual"}, "", "monitor is perceptual, but there is no perceptual distance; give model"),
    ({f"{MODEL}.tiles": {"latent": 8}}, "", "latent 8 must be at least 16"),
    ({f"{MODEL}.tiles": {"overlap": 0.7}}, "", "overlap 0.7 and margin ... must be in [0, 0.5]"),
    ({f"{MODEL}.tiles": {"batch": 0}}, "", "batch 0 must be at least 1"),
    ({f"{NETWORK}.rank_pixel": 0}, "", f"{NETWORK}: the rank of adapter pixel is 0; it must be at least 1"),
    ({f"{NETWORK}.backbone.init_args.pretrained": "./nowhere"}, "", "there is no diffusion base ./nowhere; set model."),
    (
        {f"{NETWORK}.backbone.init_args.pretrained": "empty"},
        "",
        "the diffusion base empty lacks vae ... set model.init",
    ),
    ({f"{NETWORK}.backbone.init_args.positive": "sharp"}, "", "words need a text encoder, and a base that is built"),
    (
        {f"{MODEL}.perceptual": of("losses.perceptual.STLPIPS", weights="package:x")},
        "",
        "weights 'package:x' must be package:stlpips-alex",
    ),
    ({f"{MODEL}.perceptual": of("losses.perceptual.STLPIPS", weights="w.pth")}, "", "w.pth: no such file; "),
    ({f"{MODEL}.perceptual": of("losses.perceptual.STLPIPS", weights="file")}, "", "file: holds no weights ("),
    ({f"{MODEL}.perceptual": of("losses.perceptual.LPIPS", net="x", backbone="w")}, "", "net: value 'x' does not fit"),
    ({f"{MODEL}.tags": "nowhere"}, "", "tags ... "),
]
FUSED = [
    ({f"{DATA}.roots": []}, "", f"{DATA}.roots: no folder of candidates; give at least one"),
    ({LAYOUT: {"lr": "lr"}}, "", f"{LAYOUT}.lr: 'lr' is the same for all splits; write {{split}} for the split"),
    ({f"{DATA}.roots": ["nowhere"]}, "", "no such file; write candidates by predict with configs/trainer/candidates"),
    ({f"{DATA}.roots": ["broken"]}, "", "holds no candidates ... write candidates by predict"),
    (
        {f"{DATA}.truth": "empty"},
        "",
        "candidates of ... which is not among the ... give the root that they were made of",
    ),
    ({f"{DATA}.crop": 30}, "", f"{DATA}.crop: 30 is no multiple of scale 4; give 32"),
    ({}, "gone", "are gone, for example ... give the command that wrote them again"),
    ({}, "no hr", "images have no HR, for example ... put HR of the same name beside them"),
    ({}, "other size", "as was noted of ... make the candidates of this very set"),
    ({f"{NETWORK}.preset": "x"}, "", "preset: value 'x' does not fit; choose one of"),
    ({f"{NETWORK}.gate": 2}, "", "gate: value '2' does not fit; choose one of"),
    ({f"{NETWORK}.local_pool": 0}, "", f"{NETWORK}: local_pool 0 must be at least 1 pixel, or null"),
    ({f"{MODEL}.l1": -1.0}, "", f"{MODEL}: l1, ssim and perceptual_weight must not be negative, and one must count"),
    ({f"{MODEL}.network": of("models.sr.blend.Blend", alpha=2.0)}, "", "alpha 2.0 must be in [0, 1]"),
    (
        {f"{MODEL}.network": of("models.sr.blend.Blend")},
        "",
        "Blend has nothing to train; run validate, test or predict",
    ),
    ({f"{MODEL}.network": of("models.sr.blend.FrequencyMerge", levels=0)}, "", "levels 0 must be at least 1"),
]


@pytest.fixture
def here(tmp_path, world):
    shutil.copytree(world / "kwaisr", tmp_path / "data")
    write_stored_candidates(tmp_path / "candidates", tmp_path / "data", "maker", set())
    for name in ("empty", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken/candidates.json").write_text("{")
    (tmp_path / "file").write_text("nothing of use")
    return tmp_path


def damage(root, done):
    lr, hr = root / "data/train/synthetic/lr", root / "data/train/synthetic/hr"
    if done == "lone":
        (lr / "0001.png").unlink()
    elif done == "named twice":
        shutil.copy(lr / "0002.png", lr / "0002.bmp")
    elif done in ("no lr", "no hr"):
        for split in ("train", "val"):
            shutil.rmtree(root / "data" / split / "synthetic" / done.removeprefix("no "))
    elif done == "torn":
        for file in (*lr.iterdir(), *hr.iterdir()):
            file.write_bytes(file.read_bytes()[:200])
    elif done == "twins":
        for name in ("one", "two"):
            write_image(root / name / "hr/0.png", np.zeros((32, 32, 3), np.uint8))
    elif done == "gone":
        for file in (root / "candidates").rglob("*.png"):
            file.unlink()
    elif done == "other size":
        for split in ("train", "val"):
            for file in (root / "data" / split / "synthetic/hr").iterdir():
                write_image(file, np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize(("changes", "done", "told"), WRONG, ids=[told[:60] for _, _, told in WRONG])
def test_what_cannot_be_restored(here, refused, says, changes, done, told):
    refuse(here, refused, says, DIFFUSION, changes, done, told)


@pytest.mark.parametrize(("changes", "done", "told"), FUSED, ids=[told[:60] for _, _, told in FUSED])
def test_what_cannot_be_fused(here, refused, says, changes, done, told):
    refuse(here, refused, says, FUSION, changes, done, told)


def refuse(here, refused, says, experiment, changes, done, told):
    damage(here, done)
    values = changed(yaml.safe_load(yaml.safe_dump(experiment)), changes)
    (here / "wrong.yaml").write_text(yaml.safe_dump(values))
    says(refused("train.py", "fit", "--config", "wrong.yaml"), told)
