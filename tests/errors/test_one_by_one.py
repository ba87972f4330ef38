"""Files that are refused one by one, in a set of which the rest is worked off."""

import io
import json
import os
import zipfile

import av
import numpy as np
import pytest
import torch

from records.images import write_image
from tests.command import TINY
from tests.datamodules.video.clips import make_clip
from tests.errors.test_train_videos import HEADER

VIDEOS = {
    "index.mp4": "the index of this mp4 is missing or broken, as when a download stops early",
    "hopeless.mp4": "no frame of it can be decoded",
    "sound.mp4": "has no video stream",
    "link.mp4": "leads out of the data root by a link",
}
# A limit, what it is set to, and what is said of every clip.
LIMITS = [
    ("VIDEO_PIXELS", 1000, "frames of 64x48 exceed the limit of 1000 pixels"),
    ("VIDEO_FRAMES", 3, "has more than 3 frames"),
    ("VIDEO_TOTAL_PIXELS", 5000, "4 frames of 64x48 exceed the limit of 5000 pixels in all"),
]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Videos that are wrong in every way, beside a right one."""
    folder = tmp_path_factory.mktemp("videos") / "data"
    folder.mkdir()
    clip = make_clip(folder / "right.mp4", frames=4)
    whole = clip.read_bytes()
    (folder / "index.mp4").write_bytes(whole[: len(whole) // 2])
    with av.open(str(clip)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(whole)
    for place, size in spans:
        data[place : place + size] = b"\xff" * size
    (folder / "hopeless.mp4").write_bytes(data)
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (folder.parent / "outside.mp4").write_bytes(whole)
    os.symlink(folder.parent / "outside.mp4", folder / "link.mp4")
    (folder / "labels.csv").write_text(HEADER + "".join(f"{name},1,{name},train\n" for name in (*VIDEOS, "right.mp4")))
    return folder


def looked_at(typed, root):
    code, _, _ = typed("check-data", root, "--json", "o.json")
    assert code == 1, "nothing was wrong"
    with open("o.json", encoding="utf-8") as file:
        return json.dumps(json.load(file))


def test_videos_of_which_no_frame_can_be_had(videos, typed, inline):
    found = looked_at(typed, videos)
    for name, told in VIDEOS.items():
        assert name in found and told in found, name


@pytest.mark.parametrize(("name", "value", "told"), LIMITS, ids=[name for name, _, _ in LIMITS])
def test_videos_over_a_limit(videos, typed, inline, monkeypatch, name, value, told):
    monkeypatch.setenv(f"SUGC_MAX_{name}", str(value))
    assert told in looked_at(typed, videos)


def test_a_video_that_the_disk_does_not_give(videos, typed, inline, torn):
    torn("index.mp4")
    assert "cannot be read (" in looked_at(typed, videos)


# What a file of features holds, or an array, and what is said of it.
FEATURES = [
    (np.zeros((8, 6)), "has shape (8, 6) of float64, not numbers with 4096 or 5 features"),
    (np.zeros((7, 5)), "has 7 rows instead of 8"),
    (b"no array", "is no .npy file of numbers ("),
    (b"\x93NUMPY\x03\x00", "its version (3, 0) is not known"),
    ("claims", "it claims to hold (1000000000000, 768) of float64"),
]


def claiming():
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 768)})
    return header.getvalue() + bytes(100)


def imported(typed, world, source, *more, expert="deqa"):
    words = ["--root", "bank", "--expert", expert, "--from", source, "--data", world / "kvq", *more]
    code, out, _ = typed("prepare", "features", *words)
    assert code == 1
    return out


def test_features_that_are_not_those_of_the_expert(world, typed, tmp_path):
    folder = tmp_path / "made/train"
    folder.mkdir(parents=True)
    for place, (held, _) in enumerate(FEATURES, 1):
        path = folder / f"{place:04d}.npy"
        if isinstance(held, np.ndarray):
            np.save(path, held)
        else:
            path.write_bytes(claiming() if held == "claims" else held)
    (folder / "0009").mkdir()
    np.save(folder / "0009/000.npy", np.zeros((1, 5)))
    out = imported(typed, world, tmp_path / "made")
    assert all(told in out for _, told in FEATURES) and "train/0009.mp4: lacks 001.npy, " in out


def test_features_with_too_few_rows(world, typed, tmp_path):
    (tmp_path / "made/train").mkdir(parents=True)
    np.save(tmp_path / "made/train/0001.npy", np.zeros((3, 8704)))
    out = imported(typed, world, tmp_path / "made", "--tokens", 4, expert="hvs_5m")
    assert "has 3 rows, fewer than the 4 asked for" in out


def test_features_larger_than_allowed(world, typed, tmp_path, monkeypatch):
    np.savez(tmp_path / "made.npz", **{"train/0001.mp4": np.zeros((8, 5))})
    with zipfile.ZipFile(tmp_path / "made.npz", "a") as archive:
        archive.writestr("train/0002.mp4.npy", b"x")
    monkeypatch.setenv("SUGC_MAX_TABLE_BYTES", "100")
    out = imported(typed, world, tmp_path / "made.npz")
    assert "unpacks to " in out and "set SUGC_MAX_TABLE_BYTES higher where you trust it" in out


def test_an_archive_that_is_none(world, refused, says, tmp_path):
    (tmp_path / "made.npz").write_bytes(b"PK no archive")
    words = ["--root", "bank", "--expert", "deqa", "--from", "made.npz", "--data", world / "kvq"]
    told = refused("prepare", "features", *words)
    says(told, "--from made.npz: is no file of arrays (BadZipFile: ... save it anew by numpy.savez")


def test_features_of_another_making(world, typed, refused, says, tmp_path):
    (tmp_path / "made/train").mkdir(parents=True)
    np.save(tmp_path / "made/train/0001.npy", np.zeros((8, 5)))
    imported(typed, world, "made")
    words = ["--root", "bank", "--expert", "deqa", "--from", "made", "--data", world / "kvq", "--version", "2"]
    told = refused("prepare", "features", *words)
    says(told, "the bank was made with ... fill another folder, or remove this one")


@pytest.fixture
def pictures(tmp_path):
    write_image(tmp_path / "pictures/0.png", np.full((16, 16, 3), 9, np.uint8))
    return tmp_path / "pictures"


def enhanced(typed, *more):
    code, _, _ = typed("enhance", "pictures", "--baseline", "bicubic", "--out", "o", *more)
    assert code == 1
    with open("o/manifest.json", encoding="utf-8") as file:
        return "; ".join(str(row["error"]) for row in json.load(file)["images"])


def test_a_result_that_would_be_too_large(pictures, typed, monkeypatch):
    monkeypatch.setenv("SUGC_MAX_IMAGE_PIXELS", "300")
    assert "the result, 64x64, would be over 0.0003 million pixels; set SUGC_MAX_IMAGE_PIXELS" in enhanced(typed)


def test_a_picture_that_is_too_large(pictures, typed, monkeypatch):
    monkeypatch.setenv("SUGC_MAX_IMAGE_PIXELS", "100")
    assert "16x16 is over 0.0001 million pixels; set SUGC_MAX_IMAGE_PIXELS higher" in enhanced(typed)


def test_a_pipe_that_would_be_waited_for(pictures, typed):
    os.mkfifo(pictures / "1.png")
    assert "is a folder, a pipe or a device" in enhanced(typed)


class Hungry(torch.nn.Module):
    """A network without memory for anything but the black tile that is measured before."""

    def forward(self, lr, scale):
        if lr.any():
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return lr.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def test_a_picture_that_fits_no_tile(pictures, typed, monkeypatch):
    monkeypatch.setattr("models.sr.baselines.load_baseline", lambda name: Hungry())
    assert "out of memory with the smallest tiles of the network, 16; take a smaller picture" in enhanced(typed)


LADDER = "prepare ladder --root o --from clips"


def test_clips_of_which_no_ladder_can_be_made(tmp_path, refused, says, inline):
    (tmp_path / "clips").mkdir()
    whole = make_clip(tmp_path / "whole.mkv", frames=24).read_bytes()
    (tmp_path / "clips/a.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    told = refused(*LADDER.split(), code=1)
    says(told, "clips: none of 1 clips can be used, first a.mkv: cut short; name another folder with --from")


def test_ladders_on_a_full_disk(tmp_path, refused, says, inline, monkeypatch):
    import errno

    (tmp_path / "clips").mkdir()
    make_clip(tmp_path / "clips/a.mp4", frames=4)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("experiments.ladder.content.encode_all", full)
    says(refused(*LADDER.split(), code=1), "o: the disk is full; ")


def test_a_name_that_no_table_can_hold(tmp_path, refused, says):
    os.mkdir("clips")
    with open(b"clips/\xff.mp4", "wb"):
        pass
    says(refused("assess", "clips", "--checkpoint", "c"), "its name is not UTF-8; rename it")


def test_a_network_of_a_video_is_told_where_it_cannot_be_counted(refused, says):
    import sys

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "fvcore", None)
        patch.setitem(sys.modules, "fvcore.nn", None)
        says(refused("budget", TINY, "--fvcore"), "--fvcore: ... pip install fvcore")
