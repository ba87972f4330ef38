"""Features of other programs: every published way of filing them, and every way in which they can be wrong."""

import numpy as np
import pytest

from datamodules.video.samplers import OnePerSecond, Uniform
from datamodules.video.views.expert_rows import ExpertRows
from experiments.__main__ import main
from records.feature_bank import FeatureBank
from records.hashing import value_hash

IDS = ["train/0001.mp4", "train/0002.mp4", "val/0001.mp4"]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for split in ("train", "val"):
        rows = "".join(f"{id},3.0\n" for id in IDS if id.startswith(split))
        (folder / f"{split}.csv").write_text("filename,score\n" + rows)
    return folder


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    return folder


def features(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def save(path, array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def run(data, source, expert, *more) -> int:
    words = ["--root", data / "bank", "--expert", expert, "--from", source, "--data", data, *more]
    return main(["prepare", "features", *map(str, words)])


def read(data, name, id):
    return FeatureBank(data / "bank" / name).read(id).astype(np.float32)


@pytest.mark.parametrize(("expert", "width"), [("deqa", 4096), ("deqa", 5), ("q_align", 4096)])
def test_one_file_a_video(data, source, capsys, expert, width):
    for place, id in enumerate(IDS):
        save((source / id).with_suffix(".npy"), features(8, width, seed=place))
    assert run(data, source, expert) == 0
    assert np.allclose(read(data, expert, IDS[2]), features(8, width, seed=2), atol=4e-3)
    header = FeatureBank(data / "bank" / expert).header
    assert header.sampler_hash == value_hash(OnePerSecond(8).signature()) and not header.stand_in
    assert "3 of 3 videos have rows, 3 of them new; 0 problems" in capsys.readouterr().out
    view = ExpertRows(str(data / "bank"), {expert: width}, sampler=OnePerSecond(8))
    assert view.read(IDS[0]).shape == (8, width)


@pytest.mark.parametrize(
    ("expert", "name", "width"),
    [
        ("q_align", "{:03d}.npy", 4096),
        ("slowfast", "feature_{}_fast_feature.npy", 256),
        ("liqe", "feature_{}_LIQE_feature.npy", 495),
    ],
)
def test_one_file_a_frame_as_rq_vqa_writes_them(data, source, expert, name, width):
    rows = features(9, 1, width)  # a clip of nine seconds: the ninth frame is not read
    for id in IDS:
        for place, row in enumerate(rows):
            save(source / id.removesuffix(".mp4") / name.format(place), row)
        save(source / id.removesuffix(".mp4") / "feature_0_slow_feature.npy", features(1, 2048))
    assert run(data, source, expert) == 0
    assert np.allclose(read(data, expert, IDS[1]), rows[:8, 0], atol=4e-3)


def test_hvs_5m_of_any_length_becomes_one_row_or_so_many(data, source):
    rows = features(64, 8704)
    for id in IDS:
        save(source / f"{id}.npy", rows)
    assert run(data, source, "hvs_5m") == 0
    assert np.allclose(read(data, "hvs_5m", IDS[0])[0], rows.mean(axis=0), atol=1e-3)
    assert run(data, source, "hvs_5m", "--tokens", "4", "--sampler", "Uniform", "--bank", "hvs_4") == 0
    assert np.allclose(read(data, "hvs_4", IDS[0])[1], rows[16:32].mean(axis=0), atol=2e-3)
    assert FeatureBank(data / "bank" / "hvs_4").header.sampler_hash == value_hash(Uniform(4).signature())


def test_an_npz_with_an_array_for_each_id(data, source):
    np.savez(source / "all.npz", **{id: features(1, 768, seed=place) for place, id in enumerate(IDS)})
    assert run(data, source / "all.npz", "fast_vqa") == 0
    assert np.allclose(read(data, "fast_vqa", IDS[1]), features(1, 768, seed=1), atol=4e-3)


def test_names_below_a_folder_of_the_data_set(data, source, capsys):
    for number in (1, 2):
        save(source / f"{number:04d}.npy", features(768))
    assert run(data, source, "fast_vqa", "--below", "train") == 0
    assert "2 of 2 videos have rows" in capsys.readouterr().out


def test_what_is_wrong_is_named_and_the_rest_kept(data, source, capsys):
    save(source / "train/0001.npy", features(8, 5))
    save(source / "train/0002.npy", np.full((8, 5), np.nan, np.float32))
    save(source / "other/0009.npy", features(8, 5))
    assert run(data, source, "deqa") == 1
    told = capsys.readouterr().out
    assert "other/0009: extra" in told and "val/0001.mp4: missing" in told
    assert "train/0002.mp4: made a value that is not finite" in told
    assert "1 of 3 videos have rows, 1 of them new; 3 problems" in told
    assert FeatureBank(data / "bank/deqa").missing(IDS) == IDS[1:]
    # Mended, the same command does the rest.
    (source / "other/0009.npy").unlink()
    for id in IDS[1:]:
        save((source / id).with_suffix(".npy"), features(8, 5))
    assert run(data, source, "deqa") == 0
    assert "3 of 3 videos have rows, 2 of them new; 0 problems" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (features(7, 5), "has 7 rows instead of 8"),
        (features(8, 6), r"has shape (8, 6) of float32, not numbers with 4096 or 5 features"),
        (features(8, 4096), "instead of (8, 5)"),
        (np.array(["a"] * 5), "not numbers"),
        (1e6 * features(8, 5), "beyond the 65504"),
    ],
)
def test_every_kind_of_wrong_array_is_told(data, source, capsys, wrong, told):
    save(source / "train/0001.npy", features(8, 5))
    save(source / "train/0002.npy", wrong)
    save(source / "val/0001.npy", features(8, 5))
    assert run(data, source, "deqa") == 1
    assert told in capsys.readouterr().out
    assert FeatureBank(data / "bank/deqa").missing(IDS) == [IDS[1]]


def test_torn_files_and_missing_frames_are_told(data, source, capsys):
    save(source / "train/0001.npy", features(8, 5))
    (source / "train/0002.npy").write_bytes(b"\x93NUMPY\x01")
    for place in range(7):
        save(source / "val/0001" / f"{place:03d}.npy", features(1, 5))
    assert run(data, source, "deqa") == 1
    told = capsys.readouterr().out
    assert "train/0002.mp4: is no .npy file" in told and "val/0001.mp4: lacks 007.npy" in told


def test_imports_of_two_kinds_do_not_mix(data, source, capsys):
    for id in IDS:
        save((source / id).with_suffix(".npy"), features(8, 5))
    assert run(data, source, "deqa") == 0
    for more in (("--version", "other"), ("--sampler", "Uniform")):
        assert run(data, source, "deqa", *more) == 2
        told = capsys.readouterr().err
        assert "the bank was made with" in told and len(told.strip().splitlines()) == 1


@pytest.mark.parametrize("more", [("--tokens", "0"), ("--tokens", "2")])
def test_senseless_tokens_are_refused(data, source, more):
    save(source / "train/0001.npy", features(768))
    assert run(data, source, "fast_vqa", *more) == 2


def test_no_source_no_features_no_data_set(data, source, capsys, tmp_path):
    assert run(data, tmp_path / "none", "deqa") == 2
    assert run(data, source, "deqa") == 2
    save(source / "train/0001.npy", features(8, 5))
    assert (
        main(["prepare", "features", "--root", "b", "--expert", "deqa", "--from", str(source), "--data", "none"]) == 2
    )
    assert all(line.startswith("error: ") for line in capsys.readouterr().err.strip().splitlines())
