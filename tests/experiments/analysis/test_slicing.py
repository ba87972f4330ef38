"""Runs at two thresholds on clips whose tiles are known: what is kept, what moves, what fails."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.video.samplers import Uniform
from datamodules.video.views.slices import DensitySlices
from experiments.__main__ import main
from records.feature_bank import BankHeader, FeatureBank
from records.files import write_json
from tests.experiments.sliced_runs import CLIPS, SAID, SIZE, WIDTH, write_clip, write_run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, textured in CLIPS.items():
        write_clip(tmp_path / f"data/test/{name}.mp4", textured)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def analysed(*words: str) -> dict[str, list[dict[str, str]]]:
    assert main(["analyse", "slicing", *words, "--out", "out"]) == 0
    return {file.stem: list(csv.DictReader(file.open())) for file in Path("out").glob("*.csv")}


def test_kept_tiles_errors_and_movers_are_the_known_ones(place: Path) -> None:
    for threshold in SAID:
        for seed in range(3):
            write_run(place, threshold, seed)
    tables = analysed("cut")
    none, half = tables["thresholds"]
    assert (none["kept share"], none["clips filled up"], none["other tiles than at 0"]) == ("1.0", "0", "0")
    assert float(half["kept share"]) == pytest.approx((1 + 1 + 1 / 8 + 0) / 4) and half["clips that keep any"] == "3"
    assert (half["clips filled up"], none["GMACs"], half["GMACs"]) == ("2", "1.5", "1.5")
    contrast = tables["contrast"][1]
    assert float(contrast["their error"]) == pytest.approx((0.8 + 1) / 2)
    assert float(contrast["error of the others"]) == pytest.approx(0.2)
    assert [float(contrast[name]) for name in ("low", "difference", "high")] == pytest.approx([0.6, 0.7, 0.8])
    assert tables["contrast"][0]["their error"] == ""
    first = tables["movers"][0]
    assert (first["clip"], first["best / worst"], first["content"]) == ("test/night0.mp4", "0 / 0.5", "of night0")
    assert float(first["move"]) == pytest.approx(0.8 - 0.1, abs=0.04) and float(first["label"]) == 2.0
    report = Path("out/report.md").read_text()
    assert "2 of 4 clips keep fewer than 2 tiles even at 0.5; of these 2 have an error above" in report
    assert "Before the figures" not in report
    assert json.loads(Path("out/figures.json").read_text())["kept share 0"] == 1.0


def test_failures_are_shown_with_their_tiles_and_figures(place: Path) -> None:
    for threshold in SAID:
        write_run(place, threshold, 1)
    analysed("cut")
    report = Path("out/report.md").read_text()
    worst, second = (line for line in report.splitlines() if line.startswith("![test/night"))
    assert worst.startswith(
        "![test/night1.mp4 (of night1), label 1.00, densest tile 0.00; predicted at 0: 2.00 (100% kept)"
    )
    assert "0.5: 2.80 (12% kept)](clip-2.jpg)" in second and "rich" not in worst + second
    for number in (1, 2):
        file = Path(f"out/clip-{number}.jpg")
        assert file.stat().st_size < 150_000 and Image.open(file).format == "JPEG"
    # One panel where both thresholds cut the same tiles, else two.
    assert {Image.open(f"out/clip-{number}.jpg").width for number in (1, 2)} <= {WIDTH, 2 * WIDTH + 12}
    assert "Too few seeds" in report


def test_rows_of_a_bank_are_traced_to_the_tiles_and_the_cost_behind_them(place: Path) -> None:
    for threshold in SAID:
        bank = place / f"banks/{threshold:g}/cut"
        made = DensitySlices(Uniform(1), tiles=2, size=SIZE, threshold=threshold).signature()
        FeatureBank.prepare(bank, BankHeader("cut", "1", "", "", 1, 4, view=made), ["test/rich0.mp4"])
        write_json(place / f"runs/expert/{threshold:g}-seed0/summary.json", {"bank": str(bank), "gmacs": 3 + threshold})
        rows = {"root": str(bank.parent), "experts": {"cut": 4}}
        view = {"class_path": "datamodules.video.views.expert_rows.ExpertRows", "init_args": rows}
        write_run(place, threshold, 0, view, inputs=[{"kind": "features", "path": str(bank)}])
    none, half = analysed("cut/at-0.5", "cut/at-0")["thresholds"]
    assert (none["threshold"], none["GMACs"], half["GMACs"]) == ("0", "4.5", "5.0")
    assert "do not cost the same" in Path("out/report.md").read_text()


def test_a_clip_that_cannot_be_read_is_left_out_and_told(place: Path) -> None:
    for threshold in SAID:
        write_run(place, threshold, 0)
    (place / "data/test/rich0.mp4").write_bytes(b"no video")
    assert "rich0" not in {row["clip"] for row in analysed("cut")["movers"]}
    assert "1 clips cannot be read and are left out, for example test/rich0.mp4." in Path("out/report.md").read_text()


def test_no_picture_is_larger_than_promised() -> None:
    from experiments.analysis.slicing_gallery import BYTES, SIDE, jpeg

    noise = np.random.default_rng(0).integers(0, 256, (900, 2400, 3), np.uint8)
    data = jpeg(Image.fromarray(noise))
    assert len(data) <= BYTES and max(Image.open(io.BytesIO(data)).size) <= SIDE
