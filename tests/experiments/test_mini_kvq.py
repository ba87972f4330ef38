import csv
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from datamodules.label_set import LabelSet
from experiments.__main__ import main
from experiments.mini_kvq import sources
from experiments.mini_kvq.camera import camera_path
from experiments.mini_kvq.codec import decode, encode
from experiments.mini_kvq.label import make_master, measure, score_of, step_of
from experiments.mini_kvq.native import Native, degrade, split_acts
from experiments.mini_kvq.plan import LONG, make_plan, number_clips, shrink
from experiments.mini_kvq.tables import FARTHEST, NEAREST, draw_folds, draw_pairs
from experiments.mini_kvq.versions import KINDS, Version, write_version
from records.errors import UserError
from records.labels import read_labels
from records.pairs import read_pairs

ROOT = Path(__file__).resolve().parents[2]
TINY = ("--contents", "4", "--seconds", "0.5", "--jobs", "1")


def frames(count: int = 12, size: tuple[int, int] = (64, 96), seed: int = 0) -> list[np.ndarray]:
    noise = np.random.default_rng(seed).integers(0, 256, (size[0] // 8 + 6, size[1] // 8 + 12, 3), dtype=np.uint8)
    large = noise.repeat(8, 0).repeat(8, 1)
    return [
        np.ascontiguousarray(large[shift : shift + size[0], 2 * shift : 2 * shift + size[1]]) for shift in range(count)
    ]


# The plan


def test_plan_holds_what_is_promised() -> None:
    plan = make_plan(0)
    labelled = [content for content in plan if content.split != "unlabelled"]
    assert len(labelled) >= 20
    assert sum(content.frames == LONG for content in labelled) >= 6
    portrait = sum(content.size == (288, 512) for content in labelled)
    assert abs(2 * portrait - len(labelled)) <= 2
    assert sum(len(content.versions) for content in plan if content.split == "unlabelled") >= 60
    assert min(Counter(content.split for content in labelled).values()) >= 3
    for content in labelled:
        assert Counter(version.kind for version in content.versions) == Counter(KINDS)


def test_plan_depends_on_the_seed_alone() -> None:
    assert make_plan(3) == make_plan(3)
    assert make_plan(3) != make_plan(4)
    assert len({content.seed for content in make_plan(3)}) == len(make_plan(3))


def test_splits_keep_sources_whole_and_unlabelled_clips_off_held_out_ones() -> None:
    sides: dict[str, set[str]] = {}
    for content in make_plan(0):
        sides.setdefault(content.source, set()).add("train" if content.split == "unlabelled" else content.split)
    assert all(len(splits) == 1 for splits in sides.values()), sides
    assert sources.MEDIA["motorcycle-left"].source == sources.MEDIA["motorcycle-right"].source


def test_unlabelled_contents_show_other_stretches_and_degradations_than_labelled_ones() -> None:
    plan = make_plan(0)
    labelled = [content for content in plan if content.split != "unlabelled"]
    for content in plan:
        if content.split == "unlabelled":
            assert content.seed not in {other.seed for other in labelled}
            assert content.native not in {other.native for other in labelled if other.medium == content.medium}


def test_place_within_a_content_tells_nothing_of_the_version() -> None:
    places: dict[str, set[int]] = {}
    for content in make_plan(0):
        if content.split != "unlabelled":
            for place, version in enumerate(content.versions):
                places.setdefault(version.kind, set()).add(place)
    assert all(len(seen) >= 5 for seen in places.values())


def test_strength_of_long_clips_changes_between_thirds() -> None:
    for content in make_plan(0):
        if content.frames == LONG:
            assert len(content.native) == 3
            for version in content.versions:
                assert len(set(version.swing)) == 3


def test_file_numbers_run_on_and_group_by_sevens() -> None:
    clips = number_clips(make_plan(0))
    for split in ("train", "val", "test"):
        own = [clip for clip in clips if clip.content.split == split]
        assert [clip.id for clip in own] == [f"{split}/{number:04d}.mp4" for number in range(1, len(own) + 1)]
        for start in range(0, len(own), 7):
            assert len({clip.content.name for clip in own[start : start + 7]}) == 1


def test_small_plan_has_every_split() -> None:
    small = shrink(make_plan(0), 4, 0.5)
    assert Counter(content.split for content in small) == {"train": 2, "val": 1, "test": 1, "unlabelled": 1}
    assert {content.frames for content in small} == {6}
    with pytest.raises(UserError, match="too few"):
        shrink(make_plan(0), 3, None)
    with pytest.raises(UserError, match="too short"):
        shrink(make_plan(0), None, 0.1)


# Frames


def test_camera_stays_inside_the_picture() -> None:
    for seed in range(20):
        boxes = list(camera_path((640, 427), (288, 512), 48, random.Random(seed)))
        assert len(boxes) == 48
        for left, top, right, bottom in boxes:
            assert 0 <= left < right <= 640 and 0 <= top < bottom <= 427
            assert (right - left) / (bottom - top) == pytest.approx(288 / 512, rel=0.01)
        assert len(set(boxes)) == 48


def test_acts_cover_all_frames_in_order() -> None:
    shown = frames(11)
    acts = split_acts(shown, 3)
    assert [len(act) for act in acts] == [3, 4, 4]
    assert all(a is b for a, b in zip(itertools.chain(*acts), shown, strict=True))


def test_native_degradation_touches_only_its_act() -> None:
    shown = frames(6)
    done = degrade(shown, (Native(), Native(blur=2.0)), seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(done[:3], shown[:3], strict=True))
    assert all(a.std() < b.std() for a, b in zip(done[3:], shown[3:], strict=True))


@pytest.mark.parametrize(
    ("codec", "level"), [("h264", 28), ("h264", 44), ("hevc", 30), ("vp9", 40), ("mpeg2", 8), ("mpeg4", 8)]
)
def test_encoders_give_the_same_bytes_every_time(codec: str, level: int, tmp_path: Path) -> None:
    for number in range(8):
        encode(frames(), tmp_path / f"{number}.mp4", codec, level)
    assert len({path.read_bytes() for path in tmp_path.glob("*.mp4")}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_version_has_the_size_and_length_of_its_upload_and_the_same_bytes_twice(kind: str, tmp_path: Path) -> None:
    amounts = {"rescaled": (0.5,), "blurred": (1.0,), "sharpened": (8.0,)}.get(kind, ())
    version = Version(kind, "h264", 28, amounts=amounts, percent=150)  # type: ignore[arg-type]
    for name in "ab":
        write_version(frames(), version, 5, tmp_path / f"{name}.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert [frame.shape for frame in decode(tmp_path / "a.mp4")] == [(64, 96, 3)] * 12


def test_swing_makes_acts_worse_and_better(tmp_path: Path) -> None:
    shown = frames(36)
    encode(shown, tmp_path / "a.mp4", "h264", 36, (12, 0, -12))
    errors = [np.abs(a.astype(float) - b).mean() for a, b in zip(decode(tmp_path / "a.mp4"), shown, strict=True)]
    first, _, last = (np.mean(errors[start : start + 12]) for start in (0, 12, 24))
    assert first > 1.5 * last


# Labels


def test_score_formula() -> None:
    assert score_of(0) == 1.9
    assert score_of(100) == 4.5
    assert score_of(50) == 3.2
    assert score_of(33.3) == 2.77


def test_twelve_frames_are_measured() -> None:
    assert [len(range(0, count, step_of(count))) for count in (48, 144, 12)] == [12, 12, 3]


def test_label_is_that_of_the_whole_clip_at_the_measured_frames(tmp_path: Path) -> None:
    vmaf_torch = pytest.importorskip("vmaf_torch")
    import torch

    shown = frames(12, (96, 128))
    encode(shown, tmp_path / "clip.mp4", "h264", 36)
    master = make_master(shown, "vmaf-torch")
    measured = measure(tmp_path / "clip.mp4", master, "vmaf-torch")
    coded = torch.from_numpy(np.stack(list(decode(tmp_path / "clip.mp4", "gray")))).float()[:, None]
    with torch.no_grad():
        whole = vmaf_torch.VMAF(NEG=True, clip_score=True)(torch.from_numpy(master.luma).float()[:, None], coded)
    assert measured == pytest.approx(whole[::4, 0].tolist(), abs=0.01)
    assert 0 < np.mean(measured) < 97


def test_clip_of_another_length_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("vmaf_torch")
    encode(frames(8, (96, 128)), tmp_path / "clip.mp4", "h264", 30)
    with pytest.raises(ValueError, match="frames against"):
        measure(tmp_path / "clip.mp4", make_master(frames(12, (96, 128)), "vmaf-torch"), "vmaf-torch")


# Tables


def scored() -> tuple[list, dict[str, float]]:
    clips = [clip for clip in number_clips(make_plan(0)) if clip.content.split != "unlabelled"]
    rng = random.Random(0)
    return clips, {clip.id: round(rng.uniform(2, 4), 2) for clip in clips}


def test_folds_keep_sources_whole_and_are_even() -> None:
    clips, scores = scored()
    fold_of = draw_folds(clips, scores, random.Random(0))
    assert set(fold_of.values()) == set(range(5))
    counts = Counter(fold_of[clip.content.source] for clip in clips)
    assert max(counts.values()) - min(counts.values()) <= 7
    assert fold_of == draw_folds(clips, scores, random.Random(0))


def test_pairs_leave_near_ties_out_and_say_which_is_better() -> None:
    clips, scores = scored()
    content = {clip.id: clip.content.name for clip in clips}
    pairs = draw_pairs(clips, scores, random.Random(0))
    assert {pair.kind for pair in pairs} == {"source", "nonsource"}
    assert {pair.rank for pair in pairs} == {1, 2}
    for pair in pairs:
        gap = round(scores[pair.first] - scores[pair.second], 2)
        assert abs(gap) >= NEAREST
        assert (gap > 0) == (pair.rank == 1)
        assert (content[pair.first] == content[pair.second]) == (pair.kind == "source")
        assert pair.kind == "source" or abs(gap) <= FARTHEST


# Media


def test_missing_package_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(UserError, match=r"pip install -e"):
        sources.packaged_file("no-such-package-here", "x.png")
    with pytest.raises(UserError, match="does not hold"):
        sources.packaged_file("numpy", "no/such/picture.png")


# The command


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("vmaf_torch", "skimage", "sklearn"):
        pytest.importorskip(package)
    root = tmp_path_factory.mktemp("mini") / "kvq"
    assert main(["prepare", "mini-kvq", "--root", str(root), *TINY]) == 0
    return root


def test_tiny_build_is_a_data_set_that_can_be_trained_on(tiny: Path) -> None:
    labels = {split: read_labels(tiny / f"{split}.csv") for split in ("train", "val", "test")}
    assert {split: len(rows) for split, rows in labels.items()} == {"train": 14, "val": 7, "test": 7}
    assert {label.content for label in labels["train"]} == {"train/0", "train/1"}
    for rows in labels.values():
        assert all((tiny / row.id).is_file() and 1.9 <= row.score <= 4.5 for row in rows)
        assert len({row.score for row in rows}) > 3
    assert (tiny / "train.csv").read_text().splitlines()[0] == "filename,score"
    assert {pair.kind for pair in read_pairs(tiny / "test_pairs.csv")} == {"source"}
    assert read_labels(tiny / "labels.csv") == labels["train"] + labels["val"] + labels["test"]
    sets = LabelSet(tiny, fold=0)
    assert sets.labels("train") and sets.labels("val") and sets.pairs("val") is not None
    assert not {label.content for label in sets.labels("train")} & {label.content for label in sets.labels("val")}
    assert len(list((tiny / "unlabelled").glob("*.mp4"))) == 4
    rows = list(csv.DictReader((tiny / "unlabelled.csv").open()))
    assert len({row["filename"] for row in rows}) == 4 and len({row["group"] for row in rows}) == 1


def test_no_working_file_is_left(tiny: Path) -> None:
    names = {path.name for path in tiny.iterdir()}
    tables = {"train.csv", "val.csv", "test.csv", "val_pairs.csv", "test_pairs.csv", "folds.csv", "labels.csv"}
    tables |= {"unlabelled.csv"}
    assert names == tables | {"train", "val", "test", "unlabelled", "recipe.json", "manifest.json", "README.md"}
    assert {path.suffix for path in tiny.rglob("*") if path.parent != tiny and path.is_file()} == {".mp4"}


def test_scores_follow_the_manifest_and_folds_follow_sources(tiny: Path) -> None:
    manifest = json.loads((tiny / "manifest.json").read_text())
    folds: dict[str, set[int]] = {}
    for split in ("train", "val", "test"):
        for row in csv.DictReader((tiny / f"{split}.csv").open()):
            clip = manifest["clips"][row["filename"]]
            assert float(row["score"]) == pytest.approx(1.9 + 0.026 * clip["neg"], abs=0.0053)
            folds.setdefault(clip["source"], set()).add(clip["fold"])
    assert all(len(each) == 1 for each in folds.values())
    assert manifest["clips"]["unlabelled/0001.mp4"]["score"] is None


def test_card_says_what_the_labels_are_and_whose_media(tiny: Path) -> None:
    card = (tiny / "README.md").read_text()
    manifest = json.loads((tiny / "manifest.json").read_text())
    for words in ("proxy, not human opinion", "never a KVQ result", "cut-down", "vmaf-torch", "SROCC of knowing only"):
        assert words in card
    for medium in {clip["medium"] for clip in manifest["clips"].values()}:
        assert sources.MEDIA[medium].licence in card and sources.MEDIA[medium].credit in card
    assert f"{manifest['ridge']['pretrained']['srocc']:.3f}" in card


def test_finished_root_is_left_alone_and_another_recipe_refused(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny.rglob("*") if path.is_file()}
    assert main(["prepare", "mini-kvq", "--root", str(tiny), *TINY]) == 0
    assert "is complete" in capsys.readouterr().out
    assert main(["prepare", "mini-kvq", "--root", str(tiny), *TINY, "--seed", "1"]) == 2
    assert "seed 0 instead of 1" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in tiny.rglob("*") if path.is_file()}


def test_folder_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    assert main(["prepare", "mini-kvq", "--root", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert main(["prepare", "mini-kvq", "--root", str(tmp_path / "thesis.tex")]) == 2


def test_finished_root_needs_no_torch(tiny: Path) -> None:
    code = (
        "import sys; from experiments.__main__ import main;"
        f"code = main({['prepare', 'mini-kvq', '--root', str(tiny), *TINY]!r});"
        "sys.exit(code or ('torch' in sys.modules) * 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.slow
def test_lost_clip_is_made_again_with_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    root = tmp_path / "kvq"
    shutil.copytree(tiny, root)
    (root / "train" / "0003.mp4").unlink()
    assert main(["prepare", "mini-kvq", "--root", str(root), *TINY]) == 0
    assert contents_of(root) == contents_of(tiny)


@pytest.mark.slow
def test_killed_build_goes_on_and_ends_as_an_undisturbed_one(tiny: Path, tmp_path: Path) -> None:
    root = tmp_path / "kvq"
    command = [sys.executable, "-m", "experiments", "prepare", "mini-kvq", "--root", str(root), *TINY]
    for ending in (signal.SIGKILL, signal.SIGTERM):
        count = len(list(root.glob("*/*.mp4"))) if root.exists() else 0
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(root.glob("t*/*.mp4"))) < count + 3:
            time.sleep(0.02)
        os.kill(process.pid, ending)
        assert process.wait() in (-ending, 128 + ending)
        seen = list(root.glob("t*/*.mp4"))
        assert seen and not (root / "manifest.json").exists()
        assert all(len(list(decode(path))) == 6 for path in seen)
    assert subprocess.run(command, cwd=ROOT).returncode == 0
    assert contents_of(root) == contents_of(tiny)


def contents_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
