"""One checkpoint of every training rule, and sets of 5, 7 and 9 samples to judge it on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from records.pairs import Pair, write_pairs
from tests.command import ROOT, TINY, train
from tests.datamodules.stored_candidates import write_stored_candidates
from tests.tiny_kvq import make_tiny_kvq, write_rows
from tests.tiny_kwaisr import write_tiny_kwaisr

# No multiple of 2 or 4, so that ranks get shares of different sizes.
SIZES = {"val": 5, "test": 7, "predict": 9}
TEACHER = TINY.with_name("tiny_teacher.yaml")
RECIPES = ROOT / "configs/exp/kwaisr"
CPU = {"accelerator": "cpu", "devices": 1, "precision": "32-true", "max_steps": -1, "max_epochs": 1}


@dataclass(frozen=True)
class Family:
    """How a training rule is fitted and judged.

    Args:
        experiment: Folder of its runs.
        words: Of every command.
        fitting: Of the fit alone.
        data: Makes its data in a folder.
        members: Judge two checkpoints of the fit as an ensemble.
    """

    experiment: str
    words: tuple[str, ...]
    fitting: tuple[str, ...] = ()
    data: Callable[[Path], object] = lambda folder: None
    members: bool = False

    def run(self, workplace: Path, variant: str) -> Path:
        return workplace / "runs" / self.experiment / f"{variant}-seed0"

    def judging(self, workplace: Path) -> tuple[str, ...]:
        best, last = (self.run(workplace, "base") / f"checkpoints/{name}.ckpt" for name in ("best", "last"))
        return ("--model.init_args.members", f"[{best},{last}]") if self.members else ("--ckpt_path", str(best))


def clips(folder: Path) -> None:
    """Scored clips; the seven of test are of two contents, with pairs of both kinds; a list of nine to predict."""
    data = make_tiny_kvq(folder / "data", 4, val=1, test=2)
    for split, kept in (("val", [0, 1, 2, 3, 4]), ("test", [0, 1, 2, 3, 7, 8, 9])):
        header, *rows = (line.split(",") for line in (data / f"{split}.csv").read_text().split())
        chosen = [(*rows[place], f"{split} {place // 7}", split) for place in kept]
        write_rows(data / f"{split}.csv", [*header, "group", "split"], chosen)
    names = [f"test/{number:04d}.mp4" for number in (1, 2, 3, 4, 8, 9, 10)]
    source = [Pair("source", names[0], names[1], 1), Pair("source", names[5], names[6], 2)]
    write_pairs(data / "test_pairs.csv", [*source, *(Pair("nonsource", names[at], names[at + 3], 1) for at in (0, 1))])
    (folder / "nine.txt").write_text("\n".join(f"data/train/{number:04d}.mp4" for number in range(3, 12)))


def images(folder: Path) -> None:
    """Pairs and wild images, and stored candidates of them; training images are what is predicted."""
    write_tiny_kwaisr(folder / "data", train=7, val=3, test=5, wild=2, size=48)
    write_stored_candidates(folder / "candidates", folder / "data", "maker")
    base = {"init_args": {"pretrained": None, "dtype": "float32", "checkpointing": False}}
    few = {domain: {"steps": 2} for domain in ("synthetic", "wild")}
    small = {"trainer": CPU, "wandb": {"mode": "disabled"}}
    both = {"eval_domains": ["synthetic", "wild"], "batch_size": 2, "crop": 32, "num_workers": 0}
    pairs, stored = {**both, "root": "data"}, {**both, "truth": "data", "roots": ["candidates"]}
    diffusion = {"network": {"init_args": {"backbone": base}}, "optimizer": {"init_args": {"lr": 0.01}}}
    layers = {
        "diffusion": {"data": {"init_args": pairs}, "model": {"init_args": diffusion}},
        "control": {"data": {"init_args": pairs}, "model": {"init_args": {**diffusion, "inference": few}}},
        "fusion": {
            "data": {"init_args": stored},
            "model": {"init_args": {"perceptual": None}},
        },
    }
    for name, layer in layers.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**small, **layer}))


def _scores(config: Path) -> tuple[str, ...]:
    more = {"eval_batch_size": "2", "predict_paths": "[nine.txt]"}
    return ("--config", str(config), *(f"--data.init_args.{key}={value}" for key, value in more.items()))


def _pictures(recipe: str, layer: str) -> tuple[str, ...]:
    more = ("--data.init_args.predict_split", "train")
    return ("--config", str(RECIPES / f"{recipe}.yaml"), "--config", f"{layer}.yaml", *more)


# Long enough that predictions spread: a correlation of nearly equal ones would show their last digits.
LEARN = ("--trainer.max_epochs", "8", "--model.init_args.optimizer.init_args.lr", "1e-2")
# One adapter that learns all, which needs no fit before it.
_ALONE = tuple(f"--model.init_args.{key}=null" for key in ("perceptual", "init_from"))
_SEMANTIC = (*_ALONE, "--model.init_args.csd=0.5", "--model.init_args.pixel_adapter=false")
_TOKENS = '--model.init_args.network.init_args.semantics={"class_path": "models.sr.semantic_encoders.TinyEncoder"}'
_SMALL = ("--model.init_args.network.init_args.preset", "S")
FAMILIES = {
    "VQAStudent": Family("tiny_student", _scores(TINY), LEARN, clips),
    "VQATeacher, two members": Family("tiny_teacher", _scores(TEACHER), LEARN, clips, members=True),
    "DiffusionSR, pixel": Family("taco_pixel", _pictures("taco_pixel", "diffusion"), (), images),
    "DiffusionSR, semantic": Family(
        "taco_semantic", (*_pictures("taco_semantic", "diffusion"), *_SEMANTIC), (), images
    ),
    "ControlNetSR": Family("controlnet_sam2", (*_pictures("controlnet_sam2", "control"), _TOKENS), (), images),
    "NAFusionTask": Family("nafusion", (*_pictures("nafusion", "fusion"), *_SMALL), (), images),
}


def fitted(workplace: Path, name: str) -> Family:
    """The family, once its data are there and it is fitted on one rank."""
    family = FAMILIES[name]
    if not (workplace / "data").is_dir():
        family.data(workplace)
    if not (family.run(workplace, "base") / "checkpoints/best.ckpt").is_file():
        alone("fit", *family.words, *family.fitting, cwd=workplace)
    return family


def typed(*words: object, cwd: Path) -> str:
    """`python train.py WORDS` as a user types it, in processes of its own; what it printed."""
    done = train(*words, cwd=cwd, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alone(*words: object, cwd: Path) -> None:
    """`train.py WORDS` on one rank, within this process: only ranks have to be started as a user starts them."""
    import torch

    from runtime.entry import main

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the processes of ranks have
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PL_GLOBAL_SEED", "0")  # which a command sets, to be taken back
            patch.chdir(cwd)
            assert main([str(word) for word in words]) == 0
    finally:
        torch.set_num_threads(threads)


def ranks(world: int) -> tuple[str, ...]:
    """Words for a number of ranks."""
    return ("--trainer.devices", str(world), *(("--trainer.strategy", "ddp") if world > 1 else ()))
