"""Commands of `python -m experiments` refuse wrong words and wrong files."""

import errno
import json
import os
import shutil
import zipfile
from functools import partial

import numpy as np
import pytest

from records.images import UnreadableImage, write_image
from tests.command import TINY

VOTES = "rater,image,system_a,system_b,winner\n"
TWO = "user-study build --out o.html --system a={world}/a --system b={world}/b"
JUDGE = "score kwaisr --submission {world}/a --truth {world}/b --metrics psnr"

# What is typed, and the words that tell what is wrong with it.
WORDS = [
    ("scor kvq", "python -m experiments: no command 'scor'; did you mean 'score'?"),
    ("zzz", "no command 'zzz'; commands are "),
    ("assess a.mp4", "python -m experiments assess: the following arguments are required: --checkpoint; --help lists"),
    ("check-data . --jbos 2", "unrecognized arguments: --jbos 2; --help lists every option"),
    ("check-data . --jobs x", "argument --jobs: invalid int value: 'x'"),
    ("user-study build --out o --system a=b --images 0", "argument --images: 0 is not a whole number above 0"),
    ("check-data {world}/kvq --jobs 0", "--jobs 0: must be at least 1; leave it out"),
    ("check-data nowhere", "nowhere: no such folder; name the folder that holds the videos"),
    ("check-data {world}/kvq --labels l.csv", "--labels l.csv: no such file; looked here and below"),
    ("check-data {world}/kwaisr --jobs 1 --json file/o.json", "file/o.json: cannot be written (Not a directory)"),
    ("assess nowhere.mp4 --checkpoint c", "nowhere.mp4: no such file or folder; mend the path"),
    ("assess {world}/empty --checkpoint c", "no video found; give video files, or a folder that holds some"),
    ("assess {world}/kvq --checkpoint c", "--checkpoint c: no such checkpoint; give best.ckpt or last.ckpt of a run"),
    ("assess {world}/kvq --checkpoint file", "--checkpoint file: not a loadable checkpoint ... "),
    ("assess {world}/kvq --checkpoint c --out t.txt", "--out t.txt: ends neither in .csv nor .parquet; choose one"),
    ("budget nowhere.yaml", "nowhere.yaml: no such config file; runnable configs are under configs/exp"),
    (
        "budget {tiny} --json file/o.json",
        "the system refuses it (Not a directory); make room, or name a place that you",
    ),
    ("budget empty.yaml", "names no model.init_args.network or no data.init_args.views; give an experiment file"),
    ("budget list.yaml", "list.yaml: holds a list, not keys; write `key: value` lines"),
    ("budget broken.yaml", "broken.yaml: not valid YAML ... mend the syntax there"),
    ("budget circle.yaml", "config files include each other ... drop one `base:`"),
    ("budget dollar.yaml", "dollar.yaml: Interpolation key ... mend the ${{...}} there"),
    ("budget deep.yaml", "deep.yaml: not valid YAML (nested more than ... levels deep); mend the syntax there"),
    ("budget deeper.yaml", "deeper.yaml: not valid YAML (nested too deeply); mend the syntax there"),
    ("budget round.yaml", "round.yaml: not valid YAML (an alias stands inside of what it names); mend the syntax"),
    ("budget laughs.yaml", "laughs.yaml: not valid YAML (unfolds to more than 100000 values; set SUGC_MAX_CONFIG_V"),
    ("budget links.yaml", "links.yaml: no name of a file ("),
    ("budget pipe.yaml", "pipe.yaml: no such config file"),
    ("enhance {world}/a --checkpoint c --out o", "--checkpoint c: no such checkpoint"),
    ("assess {world}/kvq --checkpoint packed.ckpt", "packed.ckpt: its parts are compressed, as no checkpoint's are;"),
    ("enhance {world}/a --checkpoint file --out o", "--checkpoint file: not a loadable checkpoint"),
    ("enhance {world}/a --baseline bicubic --scale 0 --out o", "--scale 0: must be at least 1; give a whole number"),
    ("enhance {world}/a --baseline bicubic --tile 12 --out o", "--tile 12: must be a multiple of 8 from 16; try 64"),
    ("enhance {world}/a --baseline bicubic --pix 1 --out o", "--pix: has no effect on a baseline; leave it out"),
    ("enhance {world}/a --checkpoint c --fusion f --pix 1 --out o", "--fusion: fuses the candidates of guidances"),
    ("enhance {world}/a --baseline realesrgan --scale 5 --out o", "--scale 5: Real-ESRGAN enlarges by up to 4"),
    ("enhance {world}/a --baseline bicubic --device nope --out o", "--device nope: not usable ... give cpu"),
    ("enhance {world}/a --baseline bicubic --out file", "--out file: is no folder; give another folder as --out"),
    ("enhance pictures --baseline bicubic --out pictures", "--out pictures: is the folder that is read; give another"),
    ("enhance nowhere --baseline bicubic --out o", "nowhere: no such file or folder; give pictures, or folders of"),
    ("enhance {world}/empty --baseline bicubic --out o", "no picture found; give pictures, or folders of them"),
    ("enhance pictures twins/0.png --baseline bicubic --out o", "would both be written to ... rename one of them"),
    ("enhance pictures/0.png --baseline bicubic --out pictures", "would replace 0.png, which is read; give another"),
    ("enhance one --baseline bicubic --out linked", "would fall outside of linked, by a link; give another"),
    ("prepare mini-kvq --root {world}/kvq", "kvq: holds something else; name a new folder with --root"),
    ("prepare mini-kvq --root file", "file: is not a folder; name a folder with --root"),
    ("prepare mini-kvq --root o --contents 3", "--contents 3: too few; take 4 or more"),
    ("prepare mini-kvq --root o --seconds 0.1", "--seconds 0.1: too short; take half a second or more"),
    ("prepare ladder --root o --from nowhere", "nowhere: is not a folder; name the folder of the clips with --from"),
    ("prepare ladder --root {world}/kvq/x --from {world}/kvq", "lies within the folder of the clips; name another"),
    ("prepare ladder --root o --from {world}/empty", "no video found; give video files"),
    ("prepare tiny-base --root o --data {world}/empty", "no picture of at least 96 pixels a side; run `python -m"),
    ("prepare features --root o --expert hvs_5m --from nowhere --data {world}/kvq", "is neither a folder nor an .npz"),
    ("prepare features --root o --expert hvs_5m --from {world}/empty --data {world}/kvq", "holds no features; give"),
    (
        "prepare features --root o --expert hvs_5m --from {world}/a --data {world}/kvq --tokens 0",
        "--tokens: 0 is out of",
    ),
    ("score kwaisr --truth {world}/a", "--submission: is missing; name the folder that holds synthetic/ and wild/"),
    ("score kwaisr --submission {world}/a", "--truth: is missing; name the folder of the originals"),
    ("score kwaisr --submission {world}/a --truth nowhere", "nowhere: no such folder; name the folder that holds"),
    (
        "score kwaisr --submission {world}/kwaisr --truth {world}/b",
        "holds neither a folder synthetic nor a folder wild",
    ),
    ("score kwaisr --submission wild --truth {world}/b", "wild: has no picture of a domain that ... as they are there"),
    ("score kwaisr --submission one --truth {world}/b", "1 picture is missing (synthetic/1); give one picture of the"),
    ("score kwaisr --submission twice --truth {world}/b", "1 picture is there twice (synthetic/0); keep one file of"),
    ("score kwaisr --submission torn --truth {world}/b", "2 files give no picture ... give one picture of the right"),
    (JUDGE + " --metrics pnsr", "--metrics: no metric is named 'pnsr'; there are psnr"),
    (JUDGE + " --niqe few.npz", "few.npz: is no NIQE model of 36 features; fit a model by --fit-niqe FOLDER"),
    (
        JUDGE + " --metrics niqe --niqe large.npz",
        "0.png: 64x48 is smaller than NIQE's patch of 96 pixels; leave niqe out",
    ),
    (
        "score kwaisr --submission small --truth small --metrics ssim",
        "4x4 is too small: 11 pixels a side are needed within",
    ),
    ("score kwaisr --submission dots --truth dots --metrics psnr --pack o", "is no base name; rename the picture"),
    (JUDGE + " --metrics lpips --weights lpips=file", "--metrics: lpips: "),
    (JUDGE + " --metrics niqe", "--metrics: niqe: no model is given; fit one by --fit-niqe FOLDER"),
    (JUDGE + " --weights psnr=x", "--weights: no metric 'psnr' takes weights; these do: lpips"),
    (JUDGE + " --weights lpips=nowhere", "--weights lpips=nowhere: no such file; mend the path"),
    (JUDGE + " --weights lpips", "--weights: 'lpips' is not NAME=PATH; write a name, =, and a path"),
    (JUDGE + " --beside HR={world}/a", "--beside: 'HR' is taken; choose another name"),
    (JUDGE + " --niqe nowhere.npz", "nowhere.npz: cannot be read (No such file or directory); fit a model by"),
    (JUDGE + " --niqe file", "file: is no NIQE model ... fit a model by --fit-niqe FOLDER"),
    (JUDGE + " --csv file/o.csv", "cannot be written (Not a directory); make room there"),
    (JUDGE + " --pack pictures", "pictures: is there already and not empty; name a new folder"),
    (JUDGE + " --pack file/o", "cannot be written"),
    ("score kwaisr --fit-niqe {world}/a", "--niqe: is missing; name the file that the fitted model is written to"),
    ("score kwaisr --fit-niqe {world}/a --niqe o.npz", "2 pictures: ... are too few for NIQE's 36 features; give a"),
    ("user-study build --out o.html --system a={world}/a", "--system: a comparison needs two systems; give NAME=DIR"),
    ("user-study build --out o.html --system a", "--system: 'a' is not NAME=VALUE; write a name, =, and a path"),
    ("user-study build --out o.html --system a=x --system a=y", "--system: the name 'a' is taken; give another"),
    (TWO + " --system c=nowhere", "nowhere: no such folder; mend the path"),
    (TWO + " --system c={world}/empty", "--system: no image is in all folders ... names must be the same"),
    (TWO + " --system c=torn", "torn/synthetic/0.png ... leave it out or make it anew"),
    ("user-study fit nowhere.csv", "nowhere.csv: cannot be read (FileNotFoundError); give the table as the page"),
    ("user-study fit columns.csv", "columns.csv: has no column rater, image"),
    ("user-study fit none.csv", "none.csv: there are no votes; vote on the page first"),
    ("user-study fit odd.csv", "odd.csv: row 2 makes no sense; the winner is one of two different systems, or tie"),
    ("user-study fit votes.csv --scores c=o.json", "--scores c=o.json: 'c' has no votes; voted on are a, b"),
    ("user-study fit votes.csv --scores a=file", "file: cannot be read (JSONDecodeError); give a file of `score"),
    ("user-study fit votes.csv --scores a=deep.json", "deep.json: cannot be read ("),
    ("user-study fit votes.csv --json file/o.json", "file/o.json: cannot be written (Not a directory)"),
]


@pytest.fixture
def here(tmp_path, world):
    """Wrong files of every kind, beside each other."""
    texts = {
        "file": "nothing of use",
        "empty.yaml": "",
        "list.yaml": "- a\n",
        "broken.yaml": "a: [1\n",
        "circle.yaml": "base: circle.yaml\n",
        "dollar.yaml": "seed_everything: ${nowhere}\n",
        "columns.csv": "a,b\n",
        "none.csv": VOTES,
        "odd.csv": VOTES + "r,i,a,a,a\n",
        "votes.csv": VOTES + "r,i,a,b,a\n",
        "deep.yaml": "a: " + "[" * 300 + "]" * 300,
        "deeper.yaml": "a: " + "[" * 1500,
        "deep.json": "[" * 200_000,
        "round.yaml": "a: &a [*a]\n",
        "laughs.yaml": "a0: &a0 [x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    picture = np.zeros((16, 16, 3), np.uint8)
    for name in ("pictures/0.png", "twins/0.png", "wild/wild/0.png", "one/synthetic/0.png"):
        write_image(tmp_path / name, picture)
    shutil.copytree(world / "a", tmp_path / "twice")
    shutil.copy(world / "a/synthetic/0.png", tmp_path / "twice/synthetic/0.bmp")
    shutil.copytree(world / "a", tmp_path / "torn")
    for file in (tmp_path / "torn/synthetic").iterdir():
        file.write_bytes(file.read_bytes()[:60])
    for name in ("small/synthetic/0.png", "dots/synthetic/a\\b.png"):
        write_image(tmp_path / name, picture[:4, :4] if name.startswith("small") else picture)
    niqe = {"name": "x", "covariance": np.eye(36), "patch": 96, "patches": 9}
    np.savez(tmp_path / "few.npz", mean=np.zeros(3), **niqe)
    np.savez(tmp_path / "large.npz", mean=np.zeros(36), **niqe)
    with zipfile.ZipFile(tmp_path / "packed.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", "x" * 100)
    os.symlink("links.yaml", tmp_path / "links.yaml")
    (tmp_path / "linked").mkdir()
    os.symlink(tmp_path / "pictures", tmp_path / "linked/synthetic")
    shutil.copy(world / "a/synthetic/0.png", tmp_path / "one/synthetic/0.png")
    return tmp_path


@pytest.mark.parametrize(("words", "told"), WORDS, ids=[f"{words[:30]}-{told[:30]}" for words, told in WORDS])
def test_wrong_words_and_files(here, world, refused, says, words, told):
    says(refused(*words.format(world=world, tiny=TINY).split()), told.replace("{{", "{").replace("}}", "}"))


def test_a_folder_of_another_recipe(here, refused, says):
    (here / "o").mkdir()
    (here / "o/recipe.json").write_text(json.dumps({"seed": 1}))
    says(refused("prepare", "mini-kvq", "--root", "o"), "o: holds a ")


def test_a_configuration_over_the_limit(here, refused, says, monkeypatch):
    monkeypatch.setenv("SUGC_MAX_CONFIG_BYTES", "3")
    says(refused("budget", "list.yaml"), "list.yaml: 4 bytes are over the limit of 3; set SUGC_MAX_CONFIG_BYTES")
    monkeypatch.setattr("runtime.layers.check_size", lambda *_: None)  # as if it grew meanwhile
    says(refused("budget", "list.yaml"), "list.yaml: not valid YAML (over 3 letters; set SUGC_MAX_CONFIG_BYTES")


def test_a_configuration_that_the_disk_does_not_give(here, refused, says, torn):
    torn("list.yaml")
    says(refused("budget", "list.yaml"), "list.yaml: cannot be read (Input/output error); give a file that you may")


def test_a_picture_that_is_damaged_while_it_is_scored(here, world, refused, says, monkeypatch):
    def damaged(path):
        raise UnreadableImage("image file is truncated")

    monkeypatch.setattr("experiments.score_kwaisr.scoring.read", partial(_read_again, damaged))
    says(refused(*JUDGE.format(world=world).split()), "0.png: image file is truncated; write it again")


def _read_again(reader, path):
    from experiments.score_kwaisr import folders

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders, "read_image", reader)
        return folders.read(path)


def test_no_room_for_what_is_to_be_made(here, world, refused, says, monkeypatch):
    usage = shutil.disk_usage(here)._replace(free=10)
    monkeypatch.setattr("records.disk.shutil.disk_usage", lambda _: usage)
    told = refused("enhance", world / "a", "--baseline", "bicubic", "--out", "o", code=1)
    says(told, "o: 2 result(s) will take about ... make room, or give another --out")


def test_no_memory_and_no_disk(here, refused, says, monkeypatch):
    for error, told in (
        (
            MemoryError("12 GiB asked for"),
            "score: out of memory (12 GiB asked for); lower data.init_args.batch_size or",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "score: a disk is full ("),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error"),
            "/dev/shm: a data worker ran out of",
        ),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "score: a data worker was killed ("),
    ):

        def run(args, error=error):
            raise error

        monkeypatch.setattr("experiments.score.run", run)
        says(refused("score", "kvq", "--predictions", "p", "--labels", "l", code=1), told)
