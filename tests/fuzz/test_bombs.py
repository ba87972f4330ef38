"""What claims or unpacks to more than the limits allow is refused before memory is spent; the limits can be raised."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from records.errors import UserError
from records.images import UnreadableImage, image_size, read_image
from records.limits import LIMITS, check_size, limit
from tests.command import ROOT, environment
from tests.fuzz.bombs import pictures, png

# Part of the sentence that each bomb gets.
TOLD = {
    "wide.png": "60000x60000 is over 100 million pixels; set SUGC_MAX_IMAGE_PIXELS higher",
    "tall.png": "over 100 million pixels",
    "wide.jpg": "65500x65500 is over",
    "wide.tif": "90000x90000 is over",
    "wide.bmp": "60000x60000 is over",
    "wide.gif": "65535x65535 is over",
    "text.png": "too large",
    "profile.png": "too large",
    "script.png": "no picture of a known format",
    "wide.y4m": "not a video",
    "photo.mp4": "no frame of it can be decoded",
    "long.y4m": "has more than 30 frames; cut it, or set SUGC_MAX_VIDEO_FRAMES higher",
    "large.xlsx": "set SUGC_MAX_UNPACKED_BYTES higher",
    "far.xlsx": "[Pair(kind='source'",  # a row that claims to be the two thousand millionth is left out
    "laughs.xlsx": "is not a readable xlsx workbook",
    "words.parquet": "set SUGC_MAX_TABLE_BYTES higher",
    "many.parquet": "set SUGC_MAX_TABLE_ROWS higher",
    "large.csv": "set SUGC_MAX_TEXT_BYTES higher",
    "large.json": "set SUGC_MAX_TEXT_BYTES higher",
    "large.jsonl": "set SUGC_MAX_TEXT_BYTES higher",
    "deep.json": "nested too deeply",
    "deep.yaml": "nested too deeply",
    "laughs.yaml": "set SUGC_MAX_CONFIG_VALUES higher",
    "merges.yaml": "set SUGC_MAX_CONFIG_VALUES higher",
    "round.yaml": "an alias stands inside of what it names",
    "claims.npy": "claims to hold (1000000000000, 768)",
    "claims.npz": "claims to hold (1000000000000, 768)",
    "packed.ckpt": "compressed",
    "pipe": "a folder",
    "pipe read_predictions": "no such file",
    "pipe read_config": "no such config file",
}


@pytest.mark.slow
def test_every_bomb_is_refused_with_little_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.bombs", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = dict(json.loads(line) for line in done.stdout.splitlines())
    assert {name.split()[0] for name in outcomes} == {name.split()[0] for name in TOLD}
    for name, outcome in outcomes.items():
        assert TOLD.get(name, TOLD[name.split()[0]]) in outcome, (name, outcome)
    assert not (tmp_path / "made").exists() and not (ROOT / "made").exists()


def test_limits_are_raised_and_lowered_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wide.bmp").write_bytes(pictures()["wide.bmp"])
    with pytest.raises(UnreadableImage, match="over 100 million"):
        image_size(tmp_path / "wide.bmp")
    monkeypatch.setenv("SUGC_MAX_IMAGE_PIXELS", "4000000000")
    assert image_size(tmp_path / "wide.bmp") == (60_000, 60_000)
    monkeypatch.setenv("SUGC_MAX_IMAGE_PIXELS", "63")
    (tmp_path / "small.png").write_bytes(png(8, 8))
    with pytest.raises(UnreadableImage, match="8x8 is over"):
        read_image(tmp_path / "small.png")
    monkeypatch.setenv("SUGC_MAX_TEXT_BYTES", "3")
    with pytest.raises(UserError, match="over the limit of 3; set SUGC_MAX_TEXT_BYTES higher"):
        check_size(tmp_path / "small.png", "TEXT_BYTES")


@pytest.mark.parametrize("told", ["x", "-1", "0", "1e9", "٣", "9" * 30])
def test_a_limit_that_is_no_number_is_told(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUGC_MAX_IMAGE_PIXELS", told)
    with pytest.raises(UserError, match="SUGC_MAX_IMAGE_PIXELS"):
        limit("IMAGE_PIXELS")


def test_every_limit_stands_in_the_page_on_security() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for name, each in LIMITS.items():
        assert f"| `SUGC_MAX_{name}` | {each.default} | {each.what} |" in page, name
