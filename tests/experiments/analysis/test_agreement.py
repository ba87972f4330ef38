"""Metrics of made-up pictures against votes whose reasons are known."""

import csv
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from experiments.__main__ import main
from experiments.analysis.agreement_pairs import leave_one_out, others_agree, pairs_of, told_right
from experiments.analysis.agreement_simulated import simulate
from records.votes import Vote

SYSTEMS, IMAGES = ("a", "b", "c", "d", "e"), [f"synthetic/{photo}-{n}" for photo in "uvwxyz" for n in range(3)]
COLUMNS = ("system", "id", "group", "preset", "convention", "psnr", "ssim", "piqe", "niqe", "st_lpips", "l1")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People go by half of PIQE and half of NIQE, which say little of each other; PSNR is noise."""
    root, random = tmp_path_factory.mktemp("agreement"), np.random.default_rng(0)
    rows, worth = [], {}
    for system in SYSTEMS:
        for image in IMAGES:
            piqe, niqe = random.normal(size=2)
            worth[system, image] = -(piqe + niqe)
            distances = random.uniform(0.1, 0.5, 2)
            figures = [*random.normal(size=2), 50 + 9 * piqe, 5 + niqe, *distances]
            rows.append([system, image, image.split("/")[1][0], "official", "luma", *figures])
    with open(root / "scores.csv", "w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    with open(root / "votes.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["rater", "image", "system_a", "system_b", "winner"])
        for rater in range(3):
            for image in IMAGES:
                for a, b in combinations(SYSTEMS, 2):
                    chance = 1 / (1 + np.exp(2 * (worth[b, image] - worth[a, image])))
                    # The page names images of a folder without their domain.
                    out.writerow([f"r{rater}", image.split("/")[1], a, b, a if random.random() < chance else b])
    return root


def analysed(tables: Path, out: Path, *words: str) -> tuple[dict, str]:
    assert main(["analyse", "agreement", "--scores", str(tables / "scores.csv"), *words, "--out", str(out)]) == 0
    return json.loads((out / "figures.json").read_text()), (out / "report.md").read_text()


def test_two_halves_fused_beat_each_on_methods_left_out(tables: Path, tmp_path: Path) -> None:
    found, text = analysed(tables, tmp_path, "--votes", str(tables / "votes.csv"))
    assert found["fusion_accuracy"] > 0.8 > found["single_accuracy"] > 0.6
    assert 0 < found["gain_low"] < found["gain"] < found["gain_high"]
    assert found["fusion_log_loss"] < 0.5 and found["simulated"] == 0
    assert "SIMULATED" not in text and "circular" not in text and "18 images of 6 photographs" in text
    rows = {row["metric"]: row for row in csv.DictReader((tmp_path / "agreement.csv").open())}
    assert 0.4 < float(rows["PSNR, dB"]["pairs as people"]) < 0.6
    assert float(rows["other raters, most of them"]["pairs as people"]) > 0.75
    weights = {row["fused"]: list(row.values())[1] for row in csv.DictReader((tmp_path / "weights.csv").open())}
    assert float(weights["PIQE"]) > 1 and float(weights["NIQE"]) > 1
    # What was said is what came true.
    bins = [row for row in csv.DictReader((tmp_path / "reliability.csv").open()) if row["mean chance"]]
    assert float(bins[-1]["preferred by people"]) == pytest.approx(float(bins[-1]["mean chance"]), abs=0.05)


def test_a_simulated_rater_is_named_in_title_tables_and_pictures(tables: Path, tmp_path: Path) -> None:
    found, text = analysed(tables, tmp_path / "one", "--simulate", "0", "--raters", "2")
    assert found["simulated"] == 1 and text.startswith("# Agreement of metrics with the SIMULATED rater")
    heads = [line for line, below in zip(text.splitlines(), text.splitlines()[1:], strict=False) if below[:4] == "|---"]
    assert len(heads) == 6 and all("SIMULATED" in head for head in heads)
    assert all("SIMULATED" in line for line in text.splitlines() if line.startswith("!["))
    rows = {row["metric"]: row["circular"] for row in csv.DictReader((tmp_path / "one/agreement.csv").open())}
    assert rows["L1"] == rows["ST-LPIPS, alex"] == "made of it" and rows["PIQE"] == "no"
    assert rows["SSIM"] == "same originals"
    # The votes it wrote name it too, whoever reads them.
    again, told = analysed(tables, tmp_path / "two", "--votes", str(tmp_path / "one/votes-simulated.csv"))
    assert again == found and "The rater is SIMULATED" in told


def test_a_simulated_rater_follows_its_distances() -> None:
    near = np.tile([0.1, 0.2, 0.9], (50, 1))
    votes = simulate({"st_lpips": near, "l1": near}, [f"i{n}" for n in range(50)], "pqr", 4, 0)
    assert votes == simulate({"st_lpips": near, "l1": near}, [f"i{n}" for n in range(50)], "pqr", 4, 0)
    far = [vote.winner for vote in votes if {vote.system_a, vote.system_b} == {"p", "r"}]
    close = [vote.winner for vote in votes if {vote.system_a, vote.system_b} == {"p", "q"}]
    assert far.count("p") / 200 > 0.95 and 0.4 < close.count("p") / 200 < 0.8 and "tie" in close
    assert 0.4 < sum(vote.system_a < vote.system_b for vote in votes) / len(votes) < 0.6


def test_a_system_left_out_is_never_trained_on() -> None:
    # Pairs with c say the opposite of those without it.
    votes = [Vote("r", "i", "a", "b", "a")] * 8 + [Vote("r", "i", "b", "c", "c"), Vote("r", "i", "a", "c", "c")] * 8
    pairs = pairs_of(votes, ["i"], ["a", "b", "c"], {"i": "i"})
    rows = pairs.differences(np.array([[2.0, 1.0, 0.0]]))[:, None]
    assert told_right(rows[:, 0], pairs.won).mean() == pytest.approx(1 / 3)
    held = leave_one_out(pairs, [rows], 3)
    without_c = held.system == 2
    assert without_c.sum() == 16 and held.right(pairs)[without_c].tolist() == [0.0] * 16
    assert len(held.place) == 2 * len(votes)


def test_agreement_of_raters_by_hand() -> None:
    votes = [Vote(rater, "i", "a", "b", winner) for rater, winner in (("1", "a"), ("2", "a"), ("3", "b"), ("4", "tie"))]
    right, images = others_agree(votes)
    # Of the two others of each of the first two one agrees; nobody agrees with the third.
    assert right == [0.5, 0.5, 0.0] and images == ["i"] * 3
    assert others_agree(votes[:1]) == ([], [])
