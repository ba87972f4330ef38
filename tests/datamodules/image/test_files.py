"""Pairs are matched by name, and what does not match is told."""

from pathlib import Path

import numpy as np
import pytest

from datamodules.image.files import find_named, find_own, find_pairs, find_wild
from datamodules.image.layout import Layout
from datamodules.image.sizes import Sizes
from records.errors import UserError
from records.images import write_image

PUBLISHED = Layout()


def save(path: Path, height: int = 8, width: int = 8) -> Path:
    write_image(path, np.zeros((height, width, 3), np.uint8))
    return path


def pairs(root: Path, layout: Layout = PUBLISHED, scale: int = 4):
    return find_pairs(root, layout, "train", scale)


def test_pairs_meet_by_name_whatever_suffix_and_folder_below(tmp_path):
    for name in ("b", "a", "deep/a"):
        save(tmp_path / f"train/synthetic/lr/{name}.png")
        save(tmp_path / f"train/synthetic/hr/{name}.png").rename(tmp_path / f"train/synthetic/hr/{name}.JPG")
    found = pairs(tmp_path)
    assert [image.id for image in found] == [f"train/synthetic/lr/{name}.png" for name in ("a", "b", "deep/a")]
    assert [image.hr.name for image in found] == ["a.JPG", "b.JPG", "a.JPG"]
    assert {(image.domain, image.scale) for image in found} == {("synthetic", 4)}


def test_folders_endings_and_contents_are_those_of_the_layout(tmp_path):
    layout = Layout("{split}_LR", "{split}_HR", splits={"train": "DIV"}, lr_ending="x4", content="(.+)-[0-9]+")
    for name in ("mug-01", "mug-02", "tree"):
        save(tmp_path / f"DIV_LR/{name}x4.png")
        save(tmp_path / f"DIV_LR/{name}x2.png")
        save(tmp_path / f"DIV_HR/{name}.png")
    found = pairs(tmp_path, layout)
    assert [image.id for image in found] == [f"DIV_LR/{name}x4.png" for name in ("mug-01", "mug-02", "tree")]
    assert [image.content for image in found] == ["mug", "mug", "DIV_LR/treex4.png"]


def test_an_image_without_partner_is_named(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / f"train/synthetic/lr/{name}.png")
    save(tmp_path / "train/synthetic/hr/a.png")
    with pytest.raises(UserError, match=r"hr: 1 of 2 images have no HR of the same name, for example .*lr/b\.png; put"):
        pairs(tmp_path)
    (tmp_path / "train/synthetic/lr/b.png").unlink()
    save(tmp_path / "train/synthetic/hr/c.png")
    with pytest.raises(UserError, match=r"lr: 1 of 2 images have no LR of the same name, for example .*hr/c\.png"):
        pairs(tmp_path)


@pytest.mark.parametrize("folder", ["synthetic/lr", "synthetic/hr", "wild"])
def test_two_images_of_one_name_are_refused(tmp_path, folder):
    for kind in ("synthetic/lr", "synthetic/hr", "wild"):
        save(tmp_path / f"train/{kind}/a.png")
    save(tmp_path / f"train/{folder}/a.png").rename(tmp_path / f"train/{folder}/a.webp")
    save(tmp_path / f"train/{folder}/a.png")
    with pytest.raises(UserError, match=rf"{folder}: a\.(png|webp) and a\.(png|webp) have one name; keep one"):
        pairs(tmp_path) + find_wild(tmp_path, PUBLISHED, "train", 1)


def test_one_sided_splits_come_without_truth_or_without_lr(tmp_path):
    save(tmp_path / "train/synthetic/lr/a.png")
    (image,) = pairs(tmp_path)
    assert image.hr is None and image.lr is not None
    (tmp_path / "train/synthetic/lr/a.png").unlink()
    save(tmp_path / "train/synthetic/hr/a.png")
    (image,) = pairs(tmp_path)
    assert image.lr is None and image.id == "train/synthetic/hr/a.png"


def test_wild_images_have_their_own_scale_and_hidden_files_are_left_out(tmp_path):
    save(tmp_path / "train/wild/b.png")
    save(tmp_path / "train/wild/.b.png")
    (image,) = find_wild(tmp_path, PUBLISHED, "train", 2)
    assert (image.id, image.domain, image.scale, image.hr) == ("train/wild/b.png", "wild", 2, None)


@pytest.mark.parametrize(
    "layout, told",
    [
        (Layout(lr="lr"), r"layout\.lr: 'lr' is the same for all splits; write \{split\}"),
        (Layout(wild="/data/{split}"), r"layout\.wild: '/data/\{split\}' leaves the root"),
        (Layout(hr="../{split}"), "leaves the root"),
        (Layout(splits={"valid": "x"}), r"layout\.splits: no split 'valid'; name train, val, test"),
        (Layout(content="(a"), r"layout\.content: no regular expression \(missing \)"),
        (Layout(content="a+"), r"layout\.content: has no group"),
    ],
)
def test_layouts_that_cannot_be_meant(layout, told):
    with pytest.raises(UserError, match=told):
        layout.check()


def test_the_ratio_is_measured_with_both_sizes_told(tmp_path):
    for name, size in (("a", (8, 12)), ("b", (8, 11)), ("c", (16, 24))):
        save(tmp_path / f"train/synthetic/lr/{name}.png", 2, 3)
        save(tmp_path / f"train/synthetic/hr/{name}.png", *size)
    told = r"hr/b\.png: HR is 11x8 and its LR 3x2 pixels, not 1/4 of it \(and so are 1 more pairs\); mend the pair"
    with pytest.raises(UserError, match=told):
        Sizes().refuse_other_ratios(pairs(tmp_path))
    Sizes().refuse_other_ratios(pairs(tmp_path)[:1])
    (tmp_path / "train/synthetic/hr/b.png").write_bytes(b"")  # nothing to be said of it yet
    Sizes().refuse_other_ratios(pairs(tmp_path)[:2])


def test_a_turned_photo_counts_as_it_is_read(tmp_path):
    from PIL import Image

    turned = Image.Exif()
    turned[0x0112] = 6
    (tmp_path / "train/synthetic/hr").mkdir(parents=True)
    Image.new("RGB", (12, 8)).save(tmp_path / "train/synthetic/hr/a.jpg", exif=turned)
    save(tmp_path / "train/synthetic/lr/a.png", 3, 2)
    assert Sizes()(tmp_path / "train/synthetic/hr/a.jpg") == (12, 8)
    Sizes().refuse_other_ratios(pairs(tmp_path))


def test_own_folders(tmp_path):
    root = tmp_path / "root"
    save(root / "more/x.png")
    save(tmp_path / "photos/deep/y.png")
    found = find_own(root, [root / "more", tmp_path / "photos"], 4)
    assert [image.id for image in found] == ["more/x.png", "photos/deep/y.png"]
    assert all(image.lr is None for image in found)
    save(tmp_path / "other/photos/deep/y.png")
    with pytest.raises(UserError, match=r"hr_folders: .* are both named 'photos/deep/y\.png'"):
        find_own(root, [tmp_path / "photos", tmp_path / "other/photos"], 4)
    with pytest.raises(UserError, match="hr_folders: nowhere: no such folder"):
        find_own(root, ["nowhere"], 4)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no image in it"):
        find_own(root, [tmp_path / "empty"], 4)


def test_named_files_and_folders(tmp_path):
    root = tmp_path / "root"
    inside, outside = save(root / "val/wild/a.png"), save(tmp_path / "b.png")
    save(tmp_path / "shots/c.png")
    found = find_named(root, [inside, outside, tmp_path / "shots", inside], "wild", 1)
    assert [image.id for image in found] == ["val/wild/a.png", outside.as_posix(), "c.png"]
    with pytest.raises(UserError, match="predict_paths: nowhere: no such file or folder"):
        find_named(root, ["nowhere"], "wild", 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"predict_paths: no image found, that is no \.bmp"):
        find_named(root, [tmp_path / "empty"], "wild", 1)
    save(tmp_path / "more/c.png")
    with pytest.raises(UserError, match=r"both named 'c\.png'"):
        find_named(root, [tmp_path / "shots", tmp_path / "more"], "wild", 1)
