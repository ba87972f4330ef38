"""Ladders of small made clips, by the real command."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from datamodules.video.backend import Limits
from datamodules.video.orientation import frame_orientation
from datamodules.video.pyav_backend import PyAVBackend
from datamodules.video.reader import VideoReader
from datamodules.video_files import name_videos
from experiments.__main__ import main
from experiments.ladder import content as making
from experiments.ladder.encode import encode_all
from experiments.ladder.plan import BANDS, make_plan
from records.disk import DiskFull
from records.errors import UserError
from tests.datamodules.video.clips import make_clip, plain_decode
from tests.tiny_kvq import write_clip

ROOT = Path(__file__).resolve().parents[2]


def fill(folder: Path, count: int, frames: int = 4, size: tuple[int, int] = (64, 48)) -> Path:
    for number in range(count):
        write_clip(folder / f"{'ab'[number % 2]}/{number}.mp4", f"content {number}", 0, *size, frames)
    return folder


def ladder(root: Path, source: Path, *words: str) -> int:
    return main(["prepare", "ladder", "--root", str(root), "--from", str(source), *words])


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def encoder_quantiser(path: Path) -> int | None:
    """The constant quantiser that x264 says it used, from the note it leaves in the stream."""
    found = re.search(rb"rc=cqp mbtree=0 qp=(\d+)", path.read_bytes())
    return int(found[1]) if found else None


# The plan


def test_each_quantiser_is_of_its_band_and_all_of_a_band_are_drawn(tmp_path):
    plan = make_plan(tmp_path, [tmp_path / f"{number}.mp4" for number in range(200)], 0, None)
    for rank, (low, high) in enumerate(BANDS):
        assert {content.quantisers[rank] for content in plan} == set(range(low, high + 1))


def test_names_tell_nothing_of_the_rank(tmp_path):
    plan = make_plan(tmp_path, [tmp_path / f"{number}.mp4" for number in range(210)], 0, None)
    names = [name for content in plan for name in content.names]
    assert len(set(names)) == 7 * 210
    for content in plan:
        numbers = sorted(int(name[6:-4]) for name in content.names)
        assert numbers[0] % 7 == 1 and numbers == list(range(numbers[0], numbers[0] + 7))
    places = Counter((rank, int(name[6:-4]) % 7) for content in plan for rank, name in enumerate(content.names))
    assert len(places) == 49 and max(places.values()) < 60  # 30 expected; 5.9 deviations above


def test_what_is_drawn_for_a_clip_depends_on_seed_and_path_alone(tmp_path):
    paths = [tmp_path / f"{number}.mp4" for number in range(9)]
    known = {content.source: content.quantisers for content in make_plan(tmp_path, paths, 3, None)}
    fewer = make_plan(tmp_path, paths[::-1], 3, 4)
    assert len(fewer) == 4 and all(known[content.source] == content.quantisers for content in fewer)
    assert make_plan(tmp_path, paths, 3, 4) == fewer != make_plan(tmp_path, paths, 4, 4)


# One clip


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"height": 47, "width": 63, "pix_fmt": "yuv444p"},
        {"pix_fmt": "yuv420p10le"},
        {"pix_fmt": "yuv422p"},
        {"pts": lambda index: [0, 1, 4, 5, 9, 12][index]},
        {"color_range": 2, "colorspace": 1, "pix_fmt": "yuv420p"},
        *({"rotation": (angle, flip, False)} for angle in (90.0, 180.0, 270.0) for flip in (False, True)),
    ],
    ids=lambda form: " ".join(form) + str(form.get("rotation", form.get("pix_fmt", ""))),
)
def test_encoding_keeps_size_times_turn_and_colours(form, tmp_path):
    source = make_clip(tmp_path / "clip.mp4", 6, crf="10", **form)
    assert encode_all(source, {tmp_path / "low.mp4": 16, tmp_path / "high.mp4": 44}) == 6
    with VideoReader(source) as old:
        wanted = [picture.rgb() for picture in old.pictures(range(6))]
        for name, most in (("low", 6), ("high", 25)):
            with VideoReader(tmp_path / f"{name}.mp4") as new:
                assert np.allclose(new.timeline.times, old.timeline.times, atol=1e-6)
                assert new.timeline.pix_fmt == "yuv420p" or form.get("color_range") == 2
                got = [picture.rgb() for picture in new.pictures(range(6))]
                height, width = got[0].shape[:2]
                assert (height, width) == tuple(side // 2 * 2 for side in wanted[0].shape[:2])
                away = [np.abs(a[:height, :width].astype(float) - b).mean() for a, b in zip(wanted, got, strict=True)]
                assert max(away) < most, name
    first = [next(iter(_frames(path))) for path in (source, tmp_path / "low.mp4")]
    assert frame_orientation(first[0]) == frame_orientation(first[1])


def _frames(path: Path):
    backend = PyAVBackend(path, Limits())
    assert len(backend.timeline)
    yield from (frame for _, frame in backend.frames())
    backend.close()


def test_damaged_clip_is_refused(tmp_path):
    clip = make_clip(tmp_path / "clip.mp4", 24, muxer={"movflags": "faststart"})
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    with pytest.raises(UserError):
        encode_all(clip, {tmp_path / "out.mp4": 30})


# The command


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """Source folder with three clips and two that are none, and its ladders."""
    folder = tmp_path_factory.mktemp("ladder")
    source = fill(folder / "source", 3, frames=5)
    (source / "a" / "empty.mp4").write_bytes(b"")
    (source / "b" / "text.mkv").write_text("no video")
    assert ladder(folder / "out", source, "--jobs", "1") == 1  # two are listed
    return source, folder / "out"


def test_ladders_are_what_the_tables_say(built):
    source, root = built
    manifest = json.loads((root / "manifest.json").read_text())
    rows = list(csv.DictReader((root / "ladder.csv").open()))
    assert list(rows[0]) == ["filename", "group", "rank"] and len(rows) == 21
    assert manifest["broken"] == {"a/empty.mp4": "the file is empty", "b/text.mkv": "not a video"}
    by_group: dict[str, dict[int, Path]] = {}
    for row in rows:
        by_group.setdefault(row["group"], {})[int(row["rank"])] = root / row["filename"]
    assert len(by_group) == 3
    for group, versions in by_group.items():
        content = manifest["contents"][group]
        assert sorted(versions) == list(range(7))
        assert versions[0].read_bytes() == (source / content["source"]).read_bytes()
        sizes = [versions[rank].stat().st_size for rank in range(1, 7)]
        assert sizes == sorted(sizes, reverse=True)
        for rank, (low, high) in enumerate(BANDS, start=1):
            noted = content["versions"][versions[rank].relative_to(root).as_posix()]
            assert low <= noted["qp"] <= high and noted["rank"] == rank
            assert encoder_quantiser(versions[rank]) == noted["qp"]
            assert plain_decode(versions[rank], [])[0] == content["frames"] == 5


def test_the_table_is_a_list_of_clips_to_predict_with_their_contents(built):
    _, root = built
    rows = list(csv.DictReader((root / "ladder.csv").open()))
    found = name_videos([root / "ladder.csv"], root)
    assert {id: video.content for id, video in found.items()} == {row["filename"]: row["group"] for row in rows}


def test_nothing_but_clips_and_tables_is_left(built):
    _, root = built
    assert {path.name for path in root.iterdir()} == {"clips", "ladder.csv", "manifest.json", "recipe.json"}
    assert len(list((root / "clips").iterdir())) == 21


def test_finished_root_is_left_alone_and_another_recipe_refused(built, capsys):
    source, root = built
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert ladder(root, source) == 0
    assert "is complete" in capsys.readouterr().out
    assert ladder(root, source, "--seed", "1") == 2
    assert "seed 0 instead of 1" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def test_wrong_folders_are_refused_in_a_sentence(tmp_path, capsys):
    source = fill(tmp_path / "source", 1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x")
    for root, clips, told in (
        (tmp_path / "other", source, "holds something else"),
        (tmp_path / "new", tmp_path / "nowhere", "is not a folder"),
        (source / "out", source, "lies within"),
        (tmp_path / "new", tmp_path / "other", "no video found"),
    ):
        assert ladder(root, clips) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_of_nothing_but_damaged_clips_fails_the_check(tmp_path, capsys):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.mp4").write_bytes(b"")
    assert ladder(tmp_path / "out", tmp_path / "source") == 1
    assert "none of 1 clips can be used, first a.mp4: the file is empty" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), DiskFull("no room to write it")])
def test_a_full_disk_is_no_fault_of_the_clip(tmp_path, monkeypatch, error):
    def full(source, targets):
        raise error

    monkeypatch.setattr(making, "encode_all", full)
    (content,) = make_plan(tmp_path, [fill(tmp_path, 1) / "a/0.mp4"], 0, None)
    with pytest.raises(DiskFull, match="disk is full"):
        making.make_content(tmp_path, content)
    assert making.read_record(tmp_path, content) is None


@pytest.mark.slow
def test_lost_files_are_made_again_with_the_same_bytes(built, tmp_path):
    source, root = built
    copy = tmp_path / "out"
    for name, data in files(root).items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(data)
    (copy / "clips" / "09.mp4").unlink()
    (copy / "ladder.csv").unlink()
    assert ladder(copy, source) == 1
    assert files(copy) == files(root)


@pytest.mark.slow
def test_killed_build_goes_on_and_ends_as_an_undisturbed_one(tmp_path):
    source = fill(tmp_path / "source", 6, frames=60, size=(320, 240))
    assert ladder(tmp_path / "whole", source) == 0
    root = tmp_path / "out"
    command = [sys.executable, "-m", "experiments", "prepare", "ladder", "--root", str(root), "--from", str(source)]
    for ending in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        before = len(list(root.glob("clips/*")))
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
        while process.poll() is None and len(list(root.glob("clips/*"))) == before:
            time.sleep(0.01)
        os.kill(process.pid, ending)
        assert process.wait() in (-ending, 128 + ending)
        assert not (root / "manifest.json").exists()
        assert all(plain_decode(path, [])[0] == 60 for path in root.glob("clips/*"))
        _wait_for_the_end_of_group(process.pid)
    assert subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 0
    assert files(root) == files(tmp_path / "whole")


def _wait_for_the_end_of_group(group: int) -> None:
    """No process of the killed command works on."""
    for _ in range(500):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail("processes outlived the command that started them")
