"""Label tables: what is read, and which rows are refused by name."""

import warnings

import pytest

from records.errors import UserError
from records.labels import Label, clean_id, read_labels, write_labels


@pytest.fixture
def table(tmp_path):
    def write(content: str | bytes, name: str = "labels.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def kvq(split, numbers):
    return "filename,score\n" + "".join(f"{split}/{number:04d}.mp4,{3 + number % 5 / 10}\n" for number in numbers)


def test_kvq_names_are_grouped_by_sevens(table):
    labels = read_labels(table(kvq("train", range(1, 16))))
    assert [label.content for label in labels] == ["train/0"] * 7 + ["train/1"] * 7 + ["train/2"]
    assert {label.split for label in labels} == {"train"}
    assert labels[0] == Label("train/0001.mp4", 3.1, "train/0", "train")


def test_kvq_contents_of_two_splits_are_different_contents(table):
    text = kvq("train", range(1, 8)) + kvq("val", range(1, 8)).partition("\n")[2]
    assert {label.content for label in read_labels(table(text))} == {"train/0", "val/0"}


def test_a_part_that_starts_later_keeps_the_contents_of_the_whole(table):
    assert [label.content for label in read_labels(table(kvq("val", range(6, 10))))] == ["val/0"] * 2 + ["val/1"] * 2


def test_gaps_in_kvq_numbers_make_each_file_its_own_content_and_say_so(table):
    with pytest.warns(UserWarning, match="gaps"):
        labels = read_labels(table(kvq("train", [1, 2, 4])))
    assert [label.content for label in labels] == [label.id for label in labels]


def test_other_names_are_their_own_content_without_a_word(table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = read_labels(table("filename,score\nclips/a.mp4,1\nb.mp4,2\n"))
    assert labels == [Label("clips/a.mp4", 1.0, "clips/a.mp4", None), Label("b.mp4", 2.0, "b.mp4", None)]


def test_columns_beat_names_and_folders(table):
    text = "split,group,score,filename\nval,cat,1,train/0001.mp4\n,,2,train/0002.mp4\n"
    assert read_labels(table(text)) == [
        Label("train/0001.mp4", 1.0, "cat", "val"),
        Label("train/0002.mp4", 2.0, "train/0002.mp4", "train"),
    ]


def test_byte_order_mark_crlf_missing_final_newline_and_blank_lines(table):
    labels = read_labels(table(b"\xef\xbb\xbffilename,score\r\n\r\na.mp4,1.5\r\nb.mp4,2"))
    assert [(label.id, label.score) for label in labels] == [("a.mp4", 1.5), ("b.mp4", 2.0)]


@pytest.mark.parametrize("header", ["", "name,class,distortion,label\n"])
def test_lists_of_four_columns(table, header):
    text = header + "a/x.mp4, 8.008, 29.97, -6.5\nb y.mp4, -1, -1, 93.375"
    labels = read_labels(table(text, "list.txt"))
    assert [(label.id, label.score) for label in labels] == [("a/x.mp4", -6.5), ("b y.mp4", 93.375)]


def test_quoted_comma_in_a_name(table):
    assert read_labels(table('filename,score\n"a, b.mp4",1\n'))[0].id == "a, b.mp4"


def test_empty_scores_only_where_allowed(table):
    path = table("filename,score\r\ntest/0001.mp4,\r\ntest/0002.mp4,\r\n")
    assert [label.score for label in read_labels(path, allow_missing_scores=True)] == [None, None]
    with pytest.raises(UserError, match=r"row 2: no score for 'test/0001.mp4'.*sealed"):
        read_labels(path)


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("score", ["nan", "inf", "-Infinity", "good", "1_0", "3,5"])
def test_wrong_scores_are_refused_by_row(table, score, allowed):
    with pytest.raises(UserError, match=r"labels\.csv: row 3"):
        read_labels(table(f"filename,score\na.mp4,1\nb.mp4,{score}\n"), allow_missing_scores=allowed)


def test_duplicates_name_both_rows(table):
    with pytest.raises(UserError, match=r"row 4: 'a\.mp4' stands in row 2"):
        read_labels(table("filename,score\na.mp4,1\nb.mp4,2\n./a.mp4,3\n"))


def test_many_faults_are_counted(table):
    text = "filename,score\n" + "".join(f"{number}.mp4,bad\n" for number in range(9))
    with pytest.raises(UserError, match=r"row 2.*row 6.*and 4 more faulty rows") as caught:
        read_labels(table(text))
    assert "row 7" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "/data/a.mp4", "../a.mp4", "C:\\a.mp4"])
def test_names_outside_the_root_are_refused(table, name):
    with pytest.raises(UserError, match="row 2"):
        read_labels(table(f"filename,score\n{name},1\n"))


def test_windows_separators_become_slashes():
    assert clean_id(".\\train\\0001.mp4 ") == "train/0001.mp4"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no rows"),
        ("filename,score\n", "no rows"),
        ("filename;score\na.mp4;1\n", "header"),
        ("a.mp4,1\nb.mp4,2\n", "header"),
        ("filename,quality\na.mp4,1\n", "no column score"),
        ("filename,score,mos\na.mp4,1,2\n", "2 columns for the score"),
        ("filename,score,gruop\na.mp4,1,x\n", "did you mean 'group'"),
        ("filename,score\na.mp4,1,2\n", "row 2: 3 columns"),
        (b"\xff\xfef\x00i\x00", "UTF-8"),
    ],
)
def test_files_that_are_no_label_table(table, content, told):
    with pytest.raises(UserError, match=told) as caught:
        read_labels(table(content))
    assert "labels.csv" in str(caught.value)


def test_absent_file_and_folder(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_labels(tmp_path / "absent.csv")
    with pytest.raises(UserError, match="cannot be read"):
        read_labels(tmp_path)


def test_what_is_written_is_read_back(tmp_path):
    labels = [Label("train/ä, b.mp4", 0.1 + 0.2, "cat", "val"), Label("c.mp4", None, "c.mp4", None)]
    write_labels(tmp_path / "out" / "labels.csv", labels)
    assert read_labels(tmp_path / "out" / "labels.csv", allow_missing_scores=True) == labels


def test_the_real_kvq_files(shared_data):
    train = read_labels(shared_data / "labels" / "kvq_train.csv")
    assert len(train) == 2926 and len({label.content for label in train}) == 418
    assert sum(label.score for label in train) / 2926 == pytest.approx(3.223, abs=5e-4)
    test = read_labels(shared_data / "labels" / "kvq_test_unlabelled.csv", allow_missing_scores=True)
    assert len(test) == 854 and len({label.content for label in test}) == 122
    assert all(label.score is None and label.split == "test" for label in test)


@pytest.mark.parametrize(
    ("name", "rows", "low", "high"),
    [
        ("konvid_1k", 1200, 1.22, 4.64),
        ("live_vqc", 585, 6.22, 94.29),
        ("lsvq_test", 7186, 8.47, 91.03),
        ("lsvq_1080p", 3573, 17.72, 91.42),
        ("cvd2014", 234, -6.50, 93.38),
        ("youtube_ugc", 1147, 1.24, 4.68),
        ("live_qualcomm", 208, 16.56, 73.64),
    ],
)
def test_the_real_lists(shared_data, name, rows, low, high):
    labels = read_labels(shared_data / "labels" / f"{name}.txt")
    scores = [label.score for label in labels]
    assert len(labels) == rows
    assert (round(min(scores), 2), round(max(scores), 2)) == (low, high)
    assert all(label.content == label.id and label.split is None for label in labels)
