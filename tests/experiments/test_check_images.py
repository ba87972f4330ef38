"""`python -m experiments check-data` on a set of images."""

import json
import shutil

import numpy as np
import pytest

from datamodules.image.degradation import Degradation
from experiments.__main__ import main
from experiments.data_report.domains import TITLES, compared
from records.images import write_image
from tests.datamodules.image.degradation.pictures import picture


def write_set(root):
    """Three pairs and two wild images for training, two pairs for validation; no two alike."""
    degradation = Degradation("pisasr")
    for split, count in (("train", 3), ("val", 2)):
        for number in range(count):
            hr = picture(64, 96, seed=10 * len(split) + number)
            plan = degradation.plan(0, 0, f"{split}{number}", (64, 96))
            write_image(root / split / "synthetic" / "hr" / f"{number}.png", hr)
            write_image(root / split / "synthetic" / "lr" / f"{number}.png", degradation.apply(plan, hr))
    for number in range(2):
        write_image(root / "train" / "wild" / f"w{number}.png", picture(48, 40, seed=90 + number))
    return root


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("sr") / "set")


@pytest.fixture
def images(clean, tmp_path):
    """A copy to do damage to."""
    return shutil.copytree(clean, tmp_path / "set")


def check(root, folder):
    out = folder / "report.json"
    code = main(["check-data", str(root), "--json", str(out), "--html", str(folder / "page.html"), "--jobs", "1"])
    return code, json.loads(out.read_text(encoding="utf-8"))


def found(report):
    return {(finding["kind"], finding["id"]) for finding in report["findings"]}


def test_a_sound_set_passes_and_is_compared_with_the_wild(clean, tmp_path, capsys):
    code, report = check(clean, tmp_path)
    assert code == 0 and report["findings"] == [] and report["files"] == 12
    comparison = report["statistics"]["comparison"]
    assert (comparison["synthetic"], comparison["wild"]) == (5, 2)
    assert comparison["rows"]["height"] == {"synthetic": 16, "wild": 48, "ks": 1}
    printed = capsys.readouterr().out
    assert "5 synthetic LR against 2 wild images" in printed and "12 image files" in printed
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "12 image files" in page and "variance of the Laplacian" in page


def test_faults_of_files_and_pairs_are_named(images, tmp_path):
    pairs = images / "train" / "synthetic"
    (pairs / "hr" / "0.png").write_bytes(b"no picture")
    (pairs / "hr" / "1.png").unlink()
    shutil.copy(pairs / "lr" / "2.png", pairs / "lr" / "2.jpg")
    write_image(images / "val" / "synthetic" / "hr" / "0.png", picture(63, 96, seed=30))
    write_image(images / "val" / "wild" / "again.png", picture(48, 40, seed=90))
    shutil.copy(images / "train" / "wild" / "w1.png", images / "train" / "wild" / "w2.png")
    code, report = check(images, tmp_path)
    assert code == 1
    assert found(report) == {
        ("unreadable", "train/synthetic/hr/0.png"),
        ("unpaired", "train/synthetic/lr/1.png"),
        ("duplicate id", "train/synthetic/lr/2.png"),
        ("duplicate", "train/synthetic/lr/2.jpg"),
        ("wrong ratio", "val/synthetic/lr/0.png"),
        ("leak", "train/wild/w0.png"),
        ("duplicate", "train/wild/w1.png"),
    }


def test_a_picture_written_again_in_another_split_is_a_leak(images, tmp_path):
    again = np.clip(picture(48, 40, seed=91).astype(int) + 4, 0, 255).astype(np.uint8)
    write_image(images / "test" / "wild" / "x.png", again)
    code, report = check(images, tmp_path)
    assert code == 1 and found(report) == {("leak", "train/wild/w1.png")}


def test_a_set_without_wild_images_has_no_comparison(images, tmp_path):
    shutil.rmtree(images / "train" / "wild")
    code, report = check(images, tmp_path)
    assert code == 0 and report["statistics"]["comparison"] == {} and report["files"] == 10


def test_distances_are_zero_for_equal_sets_and_one_for_disjoint_ones():
    rows = [{name: float(i) for name in ("height", "width")} for i in range(50)]
    values = [{**dict.fromkeys(TITLES, 0.0), **row} for row in rows]
    same = compared(values, values)
    assert {row["ks"] for row in same["rows"].values()} == {0}
    apart = compared(values, [{**one, "height": one["height"] + 100} for one in values])
    assert apart["rows"]["height"] == {"synthetic": 24.5, "wild": 124.5, "ks": 1}
    assert apart["chance"] == pytest.approx(1.358 * (2 / 50) ** 0.5, abs=1e-3)
