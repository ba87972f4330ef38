"""Tensors in a file that tells of its own damage, and always has the same bytes."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.sr.stored_tensors import KEY, open_tensors, write_tensors

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, -2], dtype=torch.float16)}
TOLD = {"format": "pt", "ids": json.dumps({"ü b.png": 0, 'c"\n\x1f/.png': 1}), "odd": '{"sugc.sha256":"' + "0" * 64}


def read(path: Path) -> tuple[dict[str, list], dict[str, str]]:
    with open_tensors(path) as stored:
        told = {name: value for name, value in stored.metadata().items() if name in TOLD}
        return {name: stored.get_tensor(name).tolist() for name in stored.keys()}, told


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.safetensors"
    write_tensors(TENSORS, path, TOLD)
    return path


def test_what_is_written_is_read_here_and_elsewhere(file: Path) -> None:
    assert read(file) == ({name: value.tolist() for name, value in TENSORS.items()}, TOLD)
    found = load_file(file)
    assert all(torch.equal(found[name], value) for name, value in TENSORS.items())


def test_the_same_tensors_make_the_same_bytes(file: Path) -> None:
    for _ in range(9):
        again = file.with_name("again")
        write_tensors(TENSORS, again, dict(reversed(TOLD.items())))
        assert again.read_bytes() == file.read_bytes()


def test_no_turned_bit_passes(file: Path) -> None:
    whole, sound = file.read_bytes(), read(file)
    hash = re.search(rb'"sugc\.sha256":"[0-9a-f]{64}"', whole)
    assert hash
    refused = 0
    for place in range(len(whole)):
        for bit in range(8) if place % 5 == 0 or hash.start() <= place < hash.end() else (place % 8,):
            broken = bytearray(whole)
            broken[place] ^= 1 << bit
            file.write_bytes(broken)
            try:
                # Only where the hash itself was lost may it pass, and then all else is as it was.
                assert read(file) == sound and hash.start() <= place < hash.end()
            except ValueError as error:
                assert str(file) in str(error)
                refused += 1
    assert refused > 0.9 * len(whole)


def test_damage_is_told_in_a_sentence(file: Path) -> None:
    broken = bytearray(file.read_bytes())
    broken[-1] ^= 1
    file.write_bytes(broken)
    with pytest.raises(ValueError, match=r"x\.safetensors is damaged: its bytes are not those that were written; copy"):
        read(file)


def test_a_file_of_others_has_no_hash_and_is_read(tmp_path: Path) -> None:
    for metadata in (None, {"format": "pt"}, {KEY: "of another kind"}):
        save_file(TENSORS, tmp_path / "theirs", metadata=metadata)
        with open_tensors(tmp_path / "theirs") as stored:
            assert sorted(stored.keys()) == sorted(TENSORS)
