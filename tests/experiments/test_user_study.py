import csv
import json
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from experiments.preference.result import fit
from metrics.bradley_terry import intervals, strengths, win_table
from metrics.rank_agreement import rank_agreement
from records.images import write_image
from records.votes import Vote, read_votes
from tests.command import experiments

SYSTEMS = ("good", "fair", "poor")
HEADER = "rater,image,system_a,system_b,winner\n"


def folders(root: Path, count: int = 3) -> list[str]:
    random = np.random.default_rng(0)
    for name in (*SYSTEMS, "lr"):
        for place in range(count):
            write_image(root / name / f"synthetic/{place}.png", random.integers(0, 256, (24, 32, 3)).astype(np.uint8))
    return [word for name in SYSTEMS for word in ("--system", f"{name}={root / name}")]


def drawn(truth: dict[str, float], count: int, seed: int = 0) -> list[Vote]:
    random = np.random.default_rng(seed)
    votes = []
    for number in range(count):
        first, second = random.choice(sorted(truth), 2, replace=False)
        wins = random.random() < 1 / (1 + math.exp(truth[second] - truth[first]))
        votes.append(Vote(f"r{number % 7}", f"i{number % 12}", first, second, first if wins else second))
    return votes


def test_strengths_are_found_again() -> None:
    truth = {"good": 1.0, "fair": 0.2, "poor": -1.2}
    found = {system["name"]: system for system in fit(drawn(truth, 3000))["systems"]}
    assert list(found) == list(SYSTEMS)
    for name, strength in truth.items():
        assert found[name]["strength"] == pytest.approx(strength, abs=0.12)
        low, high = found[name]["interval"]
        assert low < found[name]["strength"] < high and high - low < 0.5


def test_strengths_are_the_most_likely_ones() -> None:
    from scipy.optimize import minimize

    wins = np.array([[0, 7, 9], [3, 0, 6], [1, 4, 0.0]])

    def cost(s):
        s = np.append(s, -np.sum(s))
        chance = 1 / (1 + np.exp(s[None] - s[:, None]))
        own = 1 / (1 + np.exp(-s))
        return -(wins * np.log(chance)).sum() - 0.5 * np.log(own * (1 - own)).sum()

    best = minimize(cost, np.zeros(2), tol=1e-12).x
    # The prior's average is 1 on the scale of the strengths, whose mean is fixed.
    assert strengths(wins)[:2] == pytest.approx(best, abs=2e-2)


def test_a_system_that_always_wins_stays_finite() -> None:
    votes = [(0, 1, 1.0)] * 20
    found = strengths(win_table(votes, 2))
    assert np.isfinite(found).all() and found[0] > 1 and found.sum() == pytest.approx(0)
    assert np.isfinite(intervals(votes, ["a", "b"] * 10, 2)).all()
    assert strengths(win_table([(0, 1, 0.5)] * 9, 2)) == pytest.approx([0, 0])


def test_agreement_with_its_permutation_p() -> None:
    same = rank_agreement([1, 2, 3, 4, 5, 6], [2, 3, 5, 7, 11, 13])
    assert (same.n, same.srocc, same.krocc) == (6, pytest.approx(1), pytest.approx(1)) and same.p == 2 / 720
    assert rank_agreement([6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6]).p == 2 / 720
    assert rank_agreement([1.0, 1.0, 1.0], [1, 2, 3]).p == 1.0
    many = rank_agreement(list(range(12)), [*range(11, -1, -1)])
    assert many.srocc == pytest.approx(-1) and many.p == pytest.approx(1 / 10001)
    assert rank_agreement([2, 1, 4, 3, 6, 5, 8, 7, 10, 9], list(range(10))).p < 0.01


def test_votes_and_metrics_through_the_command(tmp_path) -> None:
    rows = [
        f"{v.rater},{v.image},{v.system_a},{v.system_b},{v.winner}\n"
        for v in drawn({"good": 2, "fair": 0, "poor": -2}, 200)
    ]
    (tmp_path / "one.csv").write_text(HEADER + "".join(rows[:100]))
    (tmp_path / "two.csv").write_text(
        "\ufeff" + HEADER + "".join(rows[100:]) + "r1,i1,good,poor,tie\n", encoding="utf-8"
    )
    for name, psnr, lpips in (("good", 24.0, 0.1), ("fair", 25.0, 0.2), ("poor", 26.0, 0.3)):
        (tmp_path / f"{name}.json").write_text(
            json.dumps({"psnr": psnr, "st_lpips": lpips, "missing": ["musiq"], "score": None})
        )
    scores = [word for name in SYSTEMS for word in ("--scores", f"{name}={name}.json")]
    done = experiments("user-study", "fit", "one.csv", "two.csv", *scores, "--json", "out.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert [system["name"] for system in result["systems"]] == list(SYSTEMS) and result["raters"] == 7
    told = {row["metric"]: row for row in result["agreement"]}
    # Less LPIPS is better, so it agrees with the people here; PSNR says the opposite.
    assert told["st_lpips"]["srocc"] == pytest.approx(1) and told["psnr"]["srocc"] == pytest.approx(-1)
    assert told["psnr"]["n"] == 3 and told["psnr"]["p"] == pytest.approx(2 / 6)
    assert "preferred" in done.stdout and "psnr" in done.stdout


def test_a_vote_given_twice_counts_once(tmp_path) -> None:
    path = tmp_path / "v.csv"
    path.write_text(HEADER + "r,i,a,b,a\nr,i,b,a,b\nq,i,a,b,tie\n")
    assert [vote.winner for vote in read_votes([path])] == ["b", "tie"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image,system_a\n", "has no column rater, system_b, winner"),
        (HEADER + "r,i,a,b,c\n", "row 2 makes no sense"),
        (HEADER + "r,i,a,a,a\n", "row 2 makes no sense"),
        (HEADER + "r,i,a,b\n", "row 2 makes no sense"),
        (HEADER, "there are no votes"),
        ("\x00\xff", "no column"),
    ],
)
def test_bad_votes_are_told_in_one_sentence(tmp_path, text: str, told: str) -> None:
    (tmp_path / "v.csv").write_text(text)
    done = experiments("user-study", "fit", "v.csv", cwd=tmp_path)
    assert done.returncode == 2 and told in done.stderr and "v.csv" in done.stderr and "Traceback" not in done.stderr


def test_bad_systems_are_told_in_one_sentence(tmp_path) -> None:
    words = folders(tmp_path)
    for more, told in (
        (words[:2], "needs two systems"),
        ([*words[:2], "--system", "x"], "'x' is not NAME=VALUE"),
        ([*words[:2], "--system", f"x={tmp_path / 'absent'}"], "no such folder"),
        ([*words[:2], *words[:2]], "the name 'good' is taken"),
        ([*words[:2], "--system", f"x={tmp_path}"], "no image is in all folders"),
    ):
        done = experiments("user-study", "build", *more, "--out", "p.html", cwd=tmp_path)
        assert done.returncode == 2 and told in done.stderr, done.stderr


PROBE = """<script>
const seen = [];
for (let n = 0; n < 4; n += 1) { seen.push(document.getElementById("place").textContent);
  document.dispatchEvent(new KeyboardEvent("keydown", { key: ["ArrowLeft", "ArrowRight", " ", "Backspace"][n] })); }
while (at < study.pairs.length) vote("tie");
const broken = [...document.images].filter(image => image.src && image.complete && !image.naturalWidth).length;
document.body.dataset.told = JSON.stringify([seen, table(), broken, document.getElementById("place").textContent]);
</script>"""


@pytest.mark.slow
def test_the_page_votes_in_a_browser(tmp_path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("no Chromium here; apt-get install chromium")
    words = [*folders(tmp_path), "--input", tmp_path / "lr"]
    done = experiments("user-study", "build", *words, "--out", "page.html", cwd=tmp_path)
    assert done.returncode == 0 and "9 pairs of 3 images" in done.stdout
    text = (tmp_path / "page.html").read_text()
    assert not any(name in text.partition('id="held"')[0] for name in SYSTEMS) and "http" not in text.lower().replace(
        "http-equiv", ""
    )
    (tmp_path / "probed.html").write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text) + PROBE)

    def run(name: str) -> str:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--enable-logging=stderr"]
        flags += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / name).as_uri()]
        told = subprocess.run([browser, *flags], capture_output=True, text=True, timeout=120, check=False)
        assert "CONSOLE" not in told.stderr, told.stderr
        return told.stdout

    assert "pair 1 of 9, 0 voted" in run("page.html")
    told = re.search(r'data-told="([^"]*)"', run("probed.html"))[1].replace("&quot;", '"')
    seen, table, broken, end = json.loads(told)
    assert seen == ["pair 1 of 9, 0 voted", "pair 2 of 9, 1 voted", "pair 3 of 9, 2 voted", "pair 4 of 9, 3 voted"]
    assert broken == 0 and end == "all 9 pairs are voted on: save the votes"
    (tmp_path / "votes.csv").write_text(table)
    rows = list(csv.DictReader(table.splitlines()))
    assert len(rows) == 9 and {row["rater"] for row in rows} == {"anonymous"}
    assert rows[0]["winner"] == rows[0]["system_a"] and rows[1]["winner"] == rows[1]["system_b"]
    assert len({(row["image"], frozenset((row["system_a"], row["system_b"]))) for row in rows}) == 9
    fitted = experiments("user-study", "fit", "votes.csv", cwd=tmp_path)
    assert fitted.returncode == 0 and "9 votes of 1 raters on 3 images" in fitted.stdout
