"""`python -m experiments check-data`: what it finds, what it lets pass, and that nothing stops it."""

import csv
import json
import math
import os
import re
import shutil
import sys
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest

from experiments.__main__ import main
from experiments.data_report.label_files import read_label_file
from experiments.data_report.processes import each
from experiments.data_report.similar import alike, fingerprint
from tests.tiny_kvq import make_tiny_kvq, write_clip, write_rows


class Checked:
    """Exit code and report of one call."""

    def __init__(self, root, folder, *options):
        out = folder / "report.json"
        self.page_path = folder / "report.html"
        words = ["check-data", str(root), "--json", str(out), "--html", str(self.page_path), "--jobs", "1"]
        self.code = main([*words, *map(str, options)])
        self.report = json.loads(out.read_text(encoding="utf-8"))
        self.findings = self.report["findings"]
        self.page = self.page_path.read_text(encoding="utf-8")

    def ids(self, kind):
        return [finding["id"] for finding in self.findings if finding["kind"] == kind]

    def details(self, kind):
        return " | ".join(finding["detail"] for finding in self.findings if finding["kind"] == kind)

    def kinds(self):
        return {finding["kind"] for finding in self.findings}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return make_tiny_kvq(tmp_path_factory.mktemp("kvq"), 2, val=1, test=1, test_scores=False)


@pytest.fixture
def kvq(clean, tmp_path):
    """A copy to do damage to."""
    return shutil.copytree(clean, tmp_path / "set")


def rewrite(table, change):
    """Pass the rows of a label file, header excluded, through ``change``."""
    with open(table, newline="") as file:
        header, *rows = list(csv.reader(file))
    write_rows(table, header, change(rows))


def test_a_sound_set_passes_with_its_statistics(clean, tmp_path):
    checked = Checked(clean, tmp_path)
    assert checked.code == 0
    assert checked.kinds() == {"unscored"}  # the sealed test split
    assert set(checked.report) == {"root", "files", "labels", "findings", "statistics"}
    assert (checked.report["files"], checked.report["labels"]) == (28, 28)
    statistics = checked.report["statistics"]
    assert statistics["codec"] == {"h264": 28} and statistics["size"] == {"64x48": 28}
    assert statistics["orientation"] == {"landscape": 28} and statistics["fps"] == {"4": 28}
    assert statistics["duration"]["median"] == 1.5
    train = statistics["scores"]["train"]
    assert train["n"] == sum(train["counts"]) == 14 and set(statistics["scores"]) == {"train", "val"}


def test_broken_files_are_named_with_the_readers_reason(tmp_path):
    root = make_tiny_kvq(tmp_path / "set", 1, broken=True, zero_byte=True, portrait=True)
    (root / "train" / "0005.mp4").unlink()
    (root / "train" / "0006.mp4").rename(root / "train" / "0006.MOV")
    checked = Checked(root, tmp_path)
    assert checked.code == 1
    assert checked.ids("unreadable") == ["train/0002.mp4", "train/0003.mp4"]
    assert "index missing" in checked.details("unreadable") and "zero bytes" in checked.details("unreadable")
    assert checked.ids("missing") == ["train/0005.mp4", "train/0006.mp4"]
    assert "there is train/0006.MOV" in checked.details("missing")
    assert checked.ids("unlisted") == ["train/0006.MOV"]
    assert checked.report["statistics"]["orientation"] == {"landscape": 3, "portrait": 1}


def test_a_planted_copy_and_leak_are_found(kvq, tmp_path):
    # The same bytes in two splits, and within one under another name; the same picture in another encoding.
    shutil.copy(kvq / "train" / "0001.mp4", kvq / "val" / "0003.mp4")
    shutil.copy(kvq / "train" / "0008.mp4", kvq / "train" / "0002.mp4")
    for version, name in enumerate(("train/0010.mp4", "test/0004.mp4")):
        write_clip(kvq / name, "planted", version, 64, 48, 6)
    checked = Checked(kvq, tmp_path)
    assert checked.code == 1
    # Other versions of the copied clip's content may look like the copy as well.
    assert {"train/0001.mp4", "train/0010.mp4"} <= set(checked.ids("leak"))
    assert "the same bytes as val/0003.mp4" in checked.details("leak")
    assert "nearly the same picture as test/0004.mp4" in checked.details("leak")
    assert checked.ids("duplicate") == ["train/0002.mp4"]


@pytest.mark.parametrize(
    ("groups", "splits", "kinds", "code"),
    [("aa", ("", ""), set(), 0), ("ab", ("", ""), {"look-alike"}, 0), ("ab", ("train", "val"), {"leak"}, 1)],
)
def test_look_alikes_are_told_unless_they_are_versions_of_one_content(tmp_path, groups, splits, kinds, code):
    names = ("one.mp4", "other.mp4")
    for version, name in enumerate(names):
        write_clip(tmp_path / name, "one scene", version, 64, 48, 6)
    rows = list(zip(names, (3, 4), groups, splits, strict=True))
    write_rows(tmp_path / "labels.csv", ["filename", "score", "group", "split"], rows)
    checked = Checked(tmp_path, tmp_path)
    assert (checked.kinds(), checked.code) == (kinds, code)


def test_a_content_in_two_splits_is_a_leak(kvq, tmp_path):
    table = tmp_path / "labels.csv"
    rows = [("train/0001.mp4", 3, "a", "train"), ("val/0001.mp4", 3, "a", "val"), ("train/0008.mp4", 2, "b", "train")]
    write_rows(table, ["filename", "score", "group", "split"], rows)
    checked = Checked(kvq, tmp_path, "--labels", table)
    assert checked.code == 1
    assert checked.ids("leak") == ["train/0001.mp4"] and "content a stands in two splits" in checked.details("leak")


def test_wrong_rows_are_findings_and_the_other_rows_are_checked_all_the_same(kvq, tmp_path):
    def spoil(rows):
        rows[1][1] = "nan"
        rows[2][1] = "inf"
        rows[3][1] = "good"
        rows[4][1] = ""
        rows.append(rows[0])
        rows.append(["../outside.mp4", "3"])
        rows += [[f"train/{number:04d}.mp4", "x", "y"] for number in range(100, 110)]
        return rows

    rewrite(kvq / "train.csv", spoil)
    (kvq / "train" / "0009.mp4").write_bytes(b"no video")
    checked = Checked(kvq, tmp_path)
    assert checked.code == 1
    told = checked.details("bad label")
    for part in ("row 3: score 'nan'", "row 4: score 'inf'", "row 5: score 'good'", "no score", "row 17: file name"):
        assert part in told
    assert len(checked.ids("bad label")) == 15 and "row 27: 3 columns instead of 2" in told
    assert checked.ids("duplicate id") == ["train.csv"] and "row 16" in checked.details("duplicate id")
    assert checked.ids("unreadable") == ["train/0009.mp4"]
    assert "look-alike" not in checked.kinds()  # faulty rows do not undo the grouping by sevens


def test_a_table_that_cannot_be_read_is_a_finding(kvq, tmp_path):
    (kvq / "val.csv").write_text("name;score\nval/0001.mp4;3\n")
    (kvq / "pairs.csv").write_text("kind,video1,video2,rank\nsource,train/0001.mp4,train/9999.mp4,1\n")
    checked = Checked(kvq, tmp_path)
    assert checked.code == 1
    assert checked.ids("bad table") == ["val.csv", "pairs.csv"]
    assert len(checked.ids("unlisted")) == 7


def test_an_id_in_two_tables_is_a_leak(kvq, tmp_path):
    rewrite(kvq / "val.csv", lambda rows: [*rows[:-1], ["train/0001.mp4", "3"]])
    assert "train/0001.mp4" in Checked(kvq, tmp_path).ids("leak")


def test_groups_that_are_not_of_seven_are_told(kvq, tmp_path):
    rewrite(kvq / "train.csv", lambda rows: rows[:-1])
    checked = Checked(kvq, tmp_path)
    assert checked.code == 1 and "content train/1 has 6 files instead of 7" in checked.details("bad label")


def test_gaps_in_the_numbering_are_told(kvq, tmp_path):
    rewrite(kvq / "train.csv", lambda rows: rows[:3] + rows[4:])
    told = Checked(kvq, tmp_path).details("bad label")
    assert "the numbers in train/ have gaps" in told


def test_outliers_and_missing_scores_are_told(tmp_path):
    scores = [*np.linspace(2.5, 4, 30).round(3), 350, ""]
    rows = [(f"clip{number}.mp4", score) for number, score in enumerate(scores)]
    write_rows(tmp_path / "labels.csv", ["filename", "score"], rows)
    checked = Checked(tmp_path, tmp_path)
    assert checked.code == 1
    assert checked.ids("outlier") == ["clip30.mp4"] and checked.ids("bad label") == ["clip31.mp4"]
    assert len(checked.ids("missing")) == 32


def test_rows_by_the_hundred_that_are_wrong_end_the_reading_of_their_table(tmp_path):
    write_rows(tmp_path / "labels.csv", ["filename", "score"], [(f"{n}.mp4", "nan") for n in range(300)])
    found = read_label_file(tmp_path / "labels.csv")
    assert not found.labels
    assert Counter(finding.kind for finding in found.findings) == {"bad label": 250, "bad table": 1}


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.values, self.text = set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data):
        self.text += data


def test_odd_names_are_shown_harmlessly(tmp_path, capsys):
    root = tmp_path / "set"
    names = [
        "<img src=x onerror=alert(1)>.mp4",
        "a & b [red].mp4",
        "名前 ü.mp4",
        "line\nbreak\x1b[31m.mp4",
        '"quoted".mp4',
    ]
    if sys.platform != "win32":
        names.append(os.fsdecode(b"latin\xe9.mp4"))
    for name in names:
        root.mkdir(exist_ok=True)
        (root / name).write_bytes(b"not a video")
    checked = Checked(root, tmp_path)
    page = Page(checked.page)
    assert checked.code == 1 and len(checked.ids("unreadable")) == len(names)
    assert "img" not in page.tags and "script" not in page.tags
    assert "<img src=x onerror=alert(1)>.mp4" in page.text and "名前 ü.mp4" in page.text
    assert "line\\nbreak\\x1b[31m.mp4" in page.text and "latin\\xe9.mp4" in page.text
    shown = capsys.readouterr().out
    assert "\x1b[31m." not in shown and "[red]" in shown


def test_the_page_needs_no_network(clean, tmp_path):
    page = Checked(clean, tmp_path).page
    assert not re.search(r"https?:|src=|@import|url\(|<link|<script", page)
    assert page.count("<svg") == 2 and "prefers-color-scheme: dark" in page


def test_a_bare_folder_needs_no_labels(tmp_path):
    write_clip(tmp_path / "set" / "deep" / "a.mp4", "a", 0, 64, 48, 1)
    write_clip(tmp_path / "set" / "b.mp4", "b", 0, 48, 64, 40)
    checked = Checked(tmp_path / "set", tmp_path)
    assert (checked.code, checked.findings, checked.report["labels"]) == (0, [], 0)
    assert checked.report["files"] == 2 and checked.report["statistics"]["scores"] == {}


def test_damage_in_the_middle_is_found_by_decoding_everything(tmp_path):
    path = tmp_path / "set" / "a.mp4"
    write_clip(path, "a", 0, 64, 48, 60)
    data = bytearray(path.read_bytes())
    body, end = data.index(b"mdat") + 4, data.index(b"moov")
    place = body + (end - body) * 2 // 3
    data[place : place + 600] = bytes(600)
    path.write_bytes(data)
    assert Checked(tmp_path / "set", tmp_path, "--full").ids("damaged") == ["a.mp4"]


@pytest.mark.parametrize("words", [["nowhere"], [".", "--labels", "nowhere.csv"], ["."], [".", "--jobs", "0"]])
def test_wrong_input_ends_with_two(words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["check-data", *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def double_or_die(number):
    if number == 3:
        os._exit(11)
    return 2 * number


def test_a_process_that_dies_takes_only_its_own_task_with_it():
    results = list(each(double_or_die, [(number,) for number in range(8)], 2, lambda number: -number))
    assert sorted(results) == sorted([-3] + [2 * number for number in range(8) if number != 3])


def test_hashes_withstand_scaling_and_brightness_but_not_another_picture():
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:90, :160] / 30

    def picture():
        waves = sum(np.sin(a * x + b * y + c) for a, b, c in generator.uniform(-3, 3, (6, 3)))
        return np.repeat((127 + 20 * waves).clip(0, 255).astype(np.uint8)[..., None], 3, 2)

    one, other = picture(), picture()
    flat = np.full_like(one, 90)
    changed = (one[::2, ::2] * 0.8 + 20).astype(np.uint8)
    prints = [(fingerprint(shown),) * 3 for shown in (one, changed, other, flat, flat)]
    assert prints[3] == (None,) * 3
    pairs = [pair for first, second in alike(prints, chunk=2) for pair in zip(first, second, strict=True)]
    assert pairs == [(0, 1)]


def test_pairs_agree_with_counting_bits():
    generator = np.random.default_rng(1)
    base = [int(value) for value in generator.integers(0, 2**63, 3)]

    def flipped(value):
        return value ^ sum(1 << int(bit) for bit in generator.choice(64, generator.integers(0, 12), replace=False))

    prints = [tuple(flipped(v) if generator.random() > 0.2 else None for v in base) for _ in range(60)] + [()]
    expected = set()
    for i, one in enumerate(prints):
        for j, other in enumerate(prints[:i]):
            both = [(a ^ b).bit_count() for a, b in zip(one, other, strict=False) if None not in (a, b)]
            if len(both) >= 2 and sum(both) <= math.floor(0.1 * 64 * len(both)):
                expected.add((j, i))
    found = [
        pair for first, second in alike(prints, chunk=7) for pair in zip(first.tolist(), second.tolist(), strict=True)
    ]
    assert len(found) == len(set(found)) and set(found) == expected and expected


def test_real_clips(shared_data, tmp_path):
    checked = Checked(shared_data / "videos" / "edge", tmp_path)
    assert checked.code == 1
    assert set(checked.ids("unreadable")) == {
        "audio_only.mp4", "text_renamed.mp4", "truncated_no_moov.mp4", "zero_byte.mp4",
    }  # fmt: skip
    assert checked.ids("truncated") == ["truncated_moov_front.mp4"]
    assert set(checked.ids("damaged")) <= {"bitflips.mp4", "corrupted_stream.mp4"}
    assert "名前 with spaces & ünïcode.mp4" in checked.details("duplicate")
    assert "名前 with spaces &amp; ünïcode.mp4" in checked.page
