"""Which files a pool is made of, and how they are named."""

import pytest

from datamodules.video_files import find_videos, name_videos
from records.errors import UserError


@pytest.fixture
def pool(tmp_path):
    for name in ("pool/b.mp4", "pool/sub/a.MP4", "pool/.hidden/c.mp4", "pool/notes.md", "root/own.mp4", "other/b.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_ids_are_relative_to_the_root_else_to_the_pool(pool):
    named = name_videos([pool / "pool", pool / "root", pool / "other" / "b.mp4"], pool / "root")
    assert list(named) == ["b.mp4", "sub/a.MP4", "own.mp4", (pool / "other/b.mp4").as_posix()]
    assert named["sub/a.MP4"].path == pool / "pool/sub/a.MP4"


def test_a_list_names_videos_relative_to_itself(pool):
    (pool / "pool/some.csv").write_text("filename,note\nsub/a.MP4,x\nb.mp4,y\n")
    (pool / "all.txt").write_text("pool/b.mp4\nother/b.mp4\n")
    assert find_videos([pool / "pool/some.csv"]) == [pool / "pool/sub/a.MP4", pool / "pool/b.mp4"]
    assert list(name_videos([pool / "all.txt"], pool / "root")) == ["pool/b.mp4", "other/b.mp4"]
    (pool / "all.csv").write_text("filename,group\npool/b.mp4,upload\nother/b.mp4,\n")
    assert [video.content for video in name_videos([pool / "all.csv"], pool / "root").values()] == ["upload", ""]
    (pool / "all.txt").write_text("pool/b.mp4\n\nother/c.mp4\n")
    with pytest.raises(UserError, match=r"row 3 names 'other/c\.mp4', which is not there"):
        find_videos([pool / "all.txt"])


def test_two_files_of_one_name_are_refused(pool):
    with pytest.raises(UserError, match=r"both named 'b\.mp4'"):
        name_videos([pool / "pool", pool / "other"], pool / "root")
    # One file by two ways is one clip.
    (pool / "pool/list.txt").write_text("b.mp4\n")
    assert list(name_videos([pool / "pool", pool / "pool/list.txt"], pool / "root")) == ["b.mp4", "sub/a.MP4"]
