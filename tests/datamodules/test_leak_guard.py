"""The leak guard on made clips: a textured scene before a still camera, through which two things move."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from datamodules import fingerprint
from datamodules.fingerprint import fingerprints
from datamodules.leak_guard import find_copies, find_leaks
from datamodules.look_alike import look_alikes
from tests.datamodules.video.clips import make_clip

HEIGHT, WIDTH, FRAMES = 96, 128, 15
CONTENTS = ("hall", "street", "garden")


def scene(content: str, index: int) -> np.ndarray:
    """Frame ``index`` of a content, uint8 RGB: its background never moves."""
    generator = np.random.default_rng(list(content.encode()))
    background = generator.integers(0, 256, (8, 10, 3)).repeat(12, 0).repeat(13, 1)[:HEIGHT, :WIDTH].copy()
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for shift, radius in ((0, 14), (50, 9)):
        turn = 0.23 * index + shift + len(content)
        centre = 48 + 30 * np.sin(1.3 * turn), 64 + 45 * np.cos(0.7 * turn)
        background[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = 255 if shift else 0
    return background.astype(np.uint8)


def write(path: Path, content: str, change=lambda frame: frame, first: int = 0, crf: int = 20) -> Path:
    shape = change(scene(content, 0)).shape
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_clip(
        path,
        FRAMES,
        shape[0],
        shape[1],
        picture=lambda index: np.ascontiguousarray(change(scene(content, first + index))),
        crf=str(crf),
        preset="ultrafast",
    )


def crop(share: float):
    down, across = round(share * HEIGHT), round(share * WIDTH)
    height, width = (HEIGHT - 2 * down) // 2 * 2, (WIDTH - 2 * across) // 2 * 2
    return lambda frame: frame[down : down + height, across : across + width]


def halved(frame: np.ndarray) -> np.ndarray:
    return frame.reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).mean((1, 3)).astype(np.uint8)


ATTACKS = {
    "crf 35": {"crf": 35},
    "scale 0.5": {"change": halved},
    "crop 10 %": {"change": crop(0.1)},
    "crop 6 %": {"change": crop(0.06)},
    "mirror": {"change": lambda frame: frame[:, ::-1]},
    "mirror and crop": {"change": lambda frame: crop(0.1)(frame)[:, ::-1], "crf": 30},
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory) -> list[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("guarded")
    return [(f"test/{content}.mp4", write(folder / f"{content}.mp4", content)) for content in CONTENTS]


def facts(leaks) -> list[tuple[str, str]]:
    return [(leak.id, leak.guarded_id) for leak in leaks]


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacked_copies_are_found_and_traced_to_their_origin(attack, guarded, tmp_path):
    pool = [(content, write(tmp_path / f"{content}.mp4", content, **ATTACKS[attack])) for content in CONTENTS]
    leaks = find_leaks(pool, guarded)
    assert facts(leaks) == [(content, f"test/{content}.mp4") for content in CONTENTS]
    assert all(leak.reason.startswith("looks alike") for leak in leaks)


def test_a_guarded_clip_may_be_the_cropped_one(guarded, tmp_path):
    inside = [("val/part.mp4", write(tmp_path / "part.mp4", "street", crop(0.1)))]
    assert facts(find_leaks([("whole", guarded[1][1])], inside)) == [("whole", "val/part.mp4")]


def test_the_next_seconds_before_a_still_camera_are_no_copies(guarded, tmp_path):
    pool = [
        (f"{content} {first}", write(tmp_path / f"{content}-{first}.mp4", content, first=first))
        for content in CONTENTS
        for first in (FRAMES, 3 * FRAMES)
    ]
    assert find_leaks(pool, guarded) == []


def test_other_scenes_are_no_copies(guarded, tmp_path):
    pool = [(content, write(tmp_path / f"{content}.mp4", content)) for content in ("shore", "kitchen", "forest")]
    assert find_leaks(pool, guarded) == []


def test_a_still_picture_is_found_without_motion(tmp_path):
    for name, content in (("held", "hall"), ("copy", "hall"), ("other", "street")):
        still = scene(content, 0)
        make_clip(tmp_path / f"{name}.mp4", 6, HEIGHT, WIDTH, picture=lambda _, still=still: still)
    pool = [(name, tmp_path / f"{name}.mp4") for name in ("copy", "other")]
    (tmp_path / "copy.mp4").open("ab").write(b"\0" * 8)  # other bytes
    assert facts(find_leaks(pool, [("held", tmp_path / "held.mp4")])) == [("copy", "held")]


def test_the_same_file_and_the_same_bytes_need_no_picture(guarded, tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "look", lambda path: pytest.fail(f"{path} was decoded"))
    copied = Path(shutil.copy(guarded[0][1], tmp_path / "renamed.mp4"))
    roundabout = guarded[1][1].parent / ".." / guarded[1][1].parent.name / guarded[1][1].name
    leaks = find_leaks([("renamed", copied), ("roundabout", roundabout)], guarded)
    assert [(leak.guarded_id, leak.reason) for leak in leaks] == [
        (guarded[0][0], "the same bytes"),
        (guarded[1][0], "the same file"),
    ]


def test_equal_ids_of_different_folders_are_no_leak(guarded, tmp_path):
    assert find_leaks([(guarded[0][0], write(tmp_path / "hall.mp4", "shore"))], guarded) == []


def test_what_cannot_be_read_is_passed_over(guarded, tmp_path):
    for name in ("empty", "text", "other empty", "other text"):
        (tmp_path / name).write_bytes(name.encode() * 9 if "text" in name else b"")
    unreadable = [(name, tmp_path / name) for name in ("empty", "text", "missing")]
    held = [(name, tmp_path / name) for name in ("other empty", "other text", "other missing")]
    copied = [("copy", write(tmp_path / "copy.mp4", "hall", crf=35))]
    assert facts(find_leaks([*unreadable, *copied], [*held, *guarded])) == [("copy", guarded[0][0])]
    assert find_leaks(unreadable, held) == find_leaks([], guarded) == find_leaks(copied, []) == []


def test_flat_clips_do_not_look_like_each_other(tmp_path):
    for name, grey in (("black", 0), ("dark", 20)):
        flat = np.full((48, 64, 3), grey, np.uint8)
        make_clip(tmp_path / f"{name}.mp4", 6, picture=lambda _, flat=flat: flat)
    assert find_leaks([("dark", tmp_path / "dark.mp4")], [("black", tmp_path / "black.mp4")]) == []


def test_copies_within_the_pool_are_pairs_of_the_pool_in_its_order(guarded, tmp_path):
    mirrored = write(tmp_path / "mirrored.mp4", "garden", lambda frame: frame[:, ::-1])
    later = write(tmp_path / "later.mp4", "hall", first=FRAMES)
    pool = [("mirrored", mirrored), *guarded, ("later", later)]
    assert find_copies(pool) == [("mirrored", "test/garden.mp4")]


def test_small_chunks_find_the_same(guarded, tmp_path):
    paths = [write(tmp_path / f"{content}.mp4", content, crop(0.1)) for content in CONTENTS]
    looks = fingerprints([*paths, *(path for _, path in guarded)])

    def pairs(*sides: np.ndarray, chunk: int) -> set[tuple[int, int]]:
        return {
            (int(a), int(b)) for one, two, _ in look_alikes(*sides, chunk=chunk) for a, b in zip(one, two, strict=True)
        }

    assert pairs(looks, chunk=1) == pairs(looks, chunk=2) == pairs(looks, chunk=100) == {(0, 3), (1, 4), (2, 5)}
    assert pairs(looks[:3], looks[3:], chunk=2) == {(0, 0), (1, 1), (2, 2)}


def test_a_second_call_decodes_only_what_is_new(guarded, tmp_path, monkeypatch):
    cache = tmp_path / "deep" / "fingerprints.bin"
    paths = [Path(shutil.copy(path, tmp_path)) for _, path in guarded]
    decoded: list[str] = []
    look = fingerprint.look
    monkeypatch.setattr(fingerprint, "look", lambda path: (decoded.append(path.name), look(path))[1])
    first = fingerprints(paths[:2], cache)
    again = fingerprints(paths[:2], cache)
    assert decoded == ["hall.mp4", "street.mp4"] and np.array_equal(first, again)
    assert first.any(axis=(1, 2, 3)).all()
    # A killed writer leaves half a record.
    cache.write_bytes(cache.read_bytes() + b"half a record")
    assert np.array_equal(fingerprints(paths, cache)[:2], first)
    os.utime(paths[0], (1, 1))
    fingerprints(paths, cache)
    assert decoded[2:] == ["garden.mp4", "hall.mp4"]
    assert cache.stat().st_size == 4 * fingerprint._RECORD.itemsize


def test_a_path_given_twice_is_decoded_once(guarded, monkeypatch):
    decoded: list[Path] = []
    look = fingerprint.look
    monkeypatch.setattr(fingerprint, "look", lambda path: (decoded.append(path), look(path))[1])
    path = guarded[0][1]
    looks = fingerprints([path, path])
    assert decoded == [path] and np.array_equal(*looks)


def test_data_module_compares_what_it_predicts_with_what_it_is_measured_on(tiny, tmp_path, module):
    pool = tmp_path / "pool"
    pool.mkdir()
    for id in ("val/0002.mp4", "test/0004.mp4", "train/0001.mp4"):
        shutil.copy(tiny / id, pool / id.replace("/", "-"))
    data = module(tiny, predict_paths=[str(pool)])
    data.setup("predict")
    found = {Path(leak.id).name: (leak.guarded_id, leak.reason) for leak in data.leaks()}
    assert found == {
        "test-0004.mp4": ("test/0004.mp4", "the same bytes"),
        "val-0002.mp4": ("val/0002.mp4", "the same bytes"),
    }
    data.setup("fit")  # test scores are sealed now; guarding needs none
    assert len(data.leaks()) == 2


def test_data_module_calls_the_test_itself_a_leak_and_training_clips_none(tiny, module):
    data = module(tiny)
    assert [leak.id for leak in data.leaks()] == [label.id for label in data.labels("test")]
    assert module(tiny, predict_split="train").leaks() == []


def test_data_module_tells_copies_among_what_it_predicts(tiny, tmp_path, module):
    for name in ("a", "b"):
        shutil.copy(tiny / "train/0001.mp4", tmp_path / f"{name}.mp4")
    shutil.copy(tiny / "train/0008.mp4", tmp_path / "c.mp4")
    pairs = module(tiny, predict_paths=[str(tmp_path)]).copies()
    assert [tuple(Path(id).name for id in pair) for pair in pairs] == [("a.mp4", "b.mp4")]


@pytest.mark.slow
def test_processes_make_the_same_fingerprints(guarded, tmp_path):
    paths = [Path(shutil.copy(guarded[0][1], tmp_path / f"{number}.mp4")) for number in range(70)]
    assert np.array_equal(fingerprints(paths, workers=2), fingerprints(paths))
