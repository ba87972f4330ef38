"""A rank that would have nothing to do is refused in one sentence or has its part: nothing hangs."""

import shutil
from pathlib import Path

import pytest

from tests.command import TINY, train
from tests.datamodules.stored_candidates import write_stored_candidates
from tests.ranks.families import RECIPES, clips, images, ranks
from tests.tiny_kvq import write_rows

# Seconds after which a command is taken to hang, on a busy machine too.
LIMIT = 400


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, and a set with one of validation and one of test."""
    folder = tmp_path_factory.mktemp("scored")
    clips(folder)
    for split in ("val", "test"):
        write_rows(folder / f"data/{split}.csv", ["filename", "score"], [(f"{split}/0001.mp4", "3.1")])
    (folder / "data/test_pairs.csv").unlink()
    (folder / "any.ckpt").touch()
    return folder


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs and stored candidates with one image of every split."""
    folder = tmp_path_factory.mktemp("pictured")
    images(folder)
    for split in ("train", "val", "test"):
        for path in (folder / "data" / split).rglob("*.png"):
            if path.stem != "0001" or "wild" in path.parts:
                path.unlink()
    shutil.rmtree(folder / "candidates")
    write_stored_candidates(folder / "candidates", folder / "data", "maker")
    (folder / "any.ckpt").touch()
    return folder


def refused(command: str, words: tuple[object, ...], folder: Path, told: str) -> None:
    """The command is over at once, by one sentence on all ranks together."""
    more = () if command == "fit" else ("--ckpt_path", "any.ckpt")
    done = train(command, *words, *more, *ranks(2), cwd=folder, timeout=LIMIT)
    assert done.returncode == 2, done.stdout + done.stderr
    assert told in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


CLIPS = ("--config", TINY, "--data.init_args.predict_paths", "[data/train/0001.mp4]")
PAIRS = ("--config", RECIPES / "taco_pixel.yaml", "--config", "diffusion.yaml")
STORED = ("--config", RECIPES / "nafusion.yaml", "--config", "fusion.yaml")
SPLITS = {"fit": "val", "validate": "val", "test": "test", "predict": "predict"}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("fit", marks=pytest.mark.slow),
        *(pytest.param(name, marks=pytest.mark.prove) for name in ("validate", "test", "predict")),
    ],
)
def test_one_clip_for_two_ranks_is_refused(scored: Path, command: str) -> None:
    told = f"error: trainer.devices: 1 {SPLITS[command]} clips are too few for 2 ranks; use at most 1"
    refused(command, CLIPS, scored, told)


@pytest.mark.prove
def test_training_clips_that_do_not_fill_a_batch_on_each_rank_are_refused(scored: Path) -> None:
    words = (*CLIPS, "--data.init_args.batch_size", "16")
    refused("fit", words, scored, "error: data.init_args.batch_size: 28 training clips do not fill a batch of 16 on ")


@pytest.mark.prove
@pytest.mark.parametrize(
    ("command", "words"),
    [("fit", PAIRS), ("validate", STORED), ("test", STORED), ("predict", PAIRS)],
    ids=["fit", "validate", "test", "predict"],
)
def test_one_image_for_two_ranks_is_refused(pictured: Path, command: str, words: tuple[object, ...]) -> None:
    refused(command, words, pictured, f"trainer.devices: 1 {SPLITS[command]} images are too few for 2 ranks; use at")


@pytest.mark.prove
def test_one_training_image_is_enough_for_two_ranks(pictured: Path) -> None:
    """They take turns in one stream of passes over the images, cut anew each time."""
    extra = pictured / "more"
    shutil.copytree(pictured / "data", extra)
    for kind in ("hr", "lr"):
        picture = extra / "val/synthetic" / kind / "0001.png"
        shutil.copy(picture, picture.with_stem("0002"))
    words = (*PAIRS, "--data.init_args.root", "more", *ranks(2))
    done = train("fit", *words, cwd=pictured, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
