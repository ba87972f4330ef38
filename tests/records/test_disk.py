"""A full disk costs a sentence: what was whole before still is, and the next try goes on."""

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from records.bank_writer import BankWriter
from records.disk import DiskFull, is_disk_full, require, size_text, writing
from records.feature_bank import BankHeader, FeatureBank
from records.files import append_line, atomic_path, read_rows, write_text
from records.images import write_image


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_file_that_does_not_fit_leaves_the_old_one(small):
    write_text(small / "kept.txt", "old")
    with pytest.raises(DiskFull, match=r"kept\.txt: no room to write it .*make room and type the same command again"):
        write_text(small / "kept.txt", "x" * 100_000)
    assert (small / "kept.txt").read_text() == "old" and os.listdir(small) == ["kept.txt"]
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    with pytest.raises(DiskFull):
        write_image(small / "noise.png", noise)
    assert os.listdir(small) == ["kept.txt"]


def test_a_journal_goes_on_after_the_line_that_did_not_fit(small):
    log = small / "log.jsonl"
    append_line(log, {"row": 0})
    with pytest.raises(DiskFull):
        append_line(log, {"row": 1, "text": "x" * 100_000})
    log.open("rb+").truncate(60)  # as if room had been made, with the torn line still there
    append_line(log, {"row": 2})
    assert [row["row"] for row in read_rows(log)] == [0, 2]


def test_checkpoints_and_tables_of_other_libraries_are_told_alike(small):
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch

    from records.checkpoints import read_checkpoint, write_checkpoint

    with atomic_path(small / "last.ckpt") as temporary:
        write_checkpoint({"state_dict": {"a": torch.ones(3)}}, temporary)
    large = {"state_dict": {"a": torch.rand(100_000)}}
    with pytest.raises(DiskFull, match=r"last\.ckpt"), atomic_path(small / "last.ckpt") as temporary:
        write_checkpoint(large, temporary)
    assert torch.equal(read_checkpoint(small / "last.ckpt", "test")["state_dict"]["a"], torch.ones(3))
    table = pa.table({"a": np.random.default_rng(0).random(50_000)})
    with pytest.raises(DiskFull, match=r"a\.parquet"), atomic_path(small / "a.parquet") as temporary:
        pq.write_table(table, temporary)


def test_a_bank_asks_for_room_before_it_is_made_and_tells_when_there_is_none_left(small):
    header = BankHeader("lite", "1", "w" * 64, "s", tokens=2, width=512)
    ids = [f"{number}.mp4" for number in range(100)]
    with pytest.raises(DiskFull, match="100 rows of features will take about"):
        FeatureBank.prepare(small / "bank", header, ids)
    assert not (small / "bank").exists()
    bank = FeatureBank.prepare(small / "bank", header, ids[:10])
    (small / "ballast").write_bytes(bytes(shutil.disk_usage(small).free - 10_000))
    writer = BankWriter(bank)
    with pytest.raises(DiskFull):
        for id in ids[:10]:
            writer.write([id], [np.ones((header.tokens, header.width), np.float32)])
    kept = len(ids[:10]) - len(FeatureBank(small / "bank").missing(ids[:10]))
    (small / "ballast").unlink()
    for id in FeatureBank(small / "bank").missing(ids[:10]):
        writer.write([id], [np.ones((header.tokens, header.width), np.float32)])
    assert 0 < kept < 10 and not FeatureBank(small / "bank").missing(ids[:10])


def test_what_says_that_a_disk_is_full_is_recognised_behind_other_errors():
    assert is_disk_full(OSError(errno.EDQUOT, "quota")) and is_disk_full(DiskFull("x"))
    assert is_disk_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    try:
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError:
            raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904
    except RuntimeError as error:
        assert is_disk_full(error)
    assert not is_disk_full(OSError(errno.EACCES, "no")) and not is_disk_full(None)
    with pytest.raises(ValueError, match="other"), writing("x"):
        raise ValueError("other")


def test_room_is_asked_for_where_the_folder_will_stand(tmp_path):
    require(tmp_path / "not" / "there", 1, "a byte")
    with pytest.raises(DiskFull, match=r"everything will take about \d+\.0 GiB, .* free"):
        require(tmp_path / "not" / "there", 2**63, "everything")
    assert [size_text(count) for count in (12, 2048, 3 * 2**20, 5 * 2**30)] == ["12 bytes", "2 KiB", "3 MiB", "5.0 GiB"]
    assert json.dumps(DiskFull("x").exit_code) == "1"
