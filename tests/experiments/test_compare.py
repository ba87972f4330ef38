"""Comparisons from the records of runs, through the public command."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.__main__ import main
from tests.command import TINY, experiments, train
from tests.experiments.finished_runs import restored_run, scored_run
from tests.tiny_kvq import make_tiny_kvq


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three variants of three seeds: one clearly better than the first, one like it."""
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        for variant, noise in (("base", 0.8), ("better", 0.3), ("same", 0.8)):
            scored_run(tmp_path / "runs", variant, seed, noise)
    return tmp_path / "runs"


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "table.csv").open(encoding="utf-8") as file:
        return {row["variant"]: row for row in csv.DictReader(file)}


def test_variants_over_seeds_against_a_baseline(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "exp", "--baseline", "base", "--out", "out"]) == 0
    rows = table(Path("out"))
    assert list(rows) == ["exp/better", *[name for name in rows if name != "exp/better"]], "the best comes first"
    better, same, base = (rows[f"exp/{name}"] for name in ("better", "same", "base"))
    assert all(row["seeds"] == "3" and float(row["sd"]) > 0 for row in rows.values())
    scores = [
        json.loads((root / f"exp/better-seed{seed}/summary.json").read_text())["test"]["score"] for seed in range(3)
    ]
    assert float(better["mean"]) == pytest.approx(sum(scores) / 3)
    assert float(better["low"]) < float(better["mean"]) < float(better["high"])
    assert float(better["change_low"]) > 0 and float(better["p_holm"]) < 0.01
    assert float(same["change_low"]) < 0 < float(same["change_high"]) and float(same["p_holm"]) > 0.05
    assert base["change"] == "" and (better["contents"], better["files"]) == ("40", "200")
    assert float(better["seed_low"]) > 0
    said = capsys.readouterr().out
    assert "exp/better: (SROCC + PLCC) / 2" in said and "better on these contents" in said
    assert "no difference shown" in said and "caution" not in said


def test_all_figures_are_told_with_their_spread_over_seeds(tmp_path: Path) -> None:
    for seed, error in enumerate((0.2, 0.4)):
        scored_run(tmp_path, "base", seed, 0.5, test={"score": 0.8, "rmse": error, "n": 200})
    assert main(["compare", "exp", "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert "| variant | rmse |" in page and "| exp/base | 0.3000 \u00b1 0.1414 |" in page
    assert "rmse" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_what_runs_were_made_from_is_followed_by_hash(tmp_path: Path) -> None:
    scored_run(tmp_path, "teacher", 0, 0.4, outputs={"best.ckpt": "a" * 64})
    labels = {"kind": "pseudo-labels", "path": "pool.parquet", "hash": "b" * 64, "made_by": ["a" * 64, "c" * 64]}
    scored_run(tmp_path, "student", 0, 0.5, inputs=[labels])
    assert main(["compare", "exp", "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    told = f"exp/student: pseudo-labels pool.parquet ({'b' * 12}) by exp/teacher-seed0, {'c' * 12}"
    assert told in (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert told in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_only_keys_that_differ_are_shown(root: Path) -> None:
    assert main(["compare", "exp/base", "exp/better", "--out", "out"]) == 0
    page = Path("out/report.md").read_text(encoding="utf-8")
    assert "| `model.init_args.lr` |" in page
    assert "width" not in page and "seed_everything" not in page and "`run.variant`" not in page


def test_the_bootstrap_is_that_of_the_predictions(root: Path) -> None:
    from experiments.comparison.runs import find_runs
    from experiments.comparison.statistics import paired_contents
    from metrics.bootstrap import ContentBootstrap, difference

    groups = find_runs(["exp/base-seed0", "exp/better-seed0"], root)
    base, better = groups["exp/base"], groups["exp/better"]
    found = paired_contents(better, base, "test")
    assert found
    items = [run[0].items("test") for run in (base, better)]
    ids = sorted(items[0])
    bootstrap = ContentBootstrap([items[0][id].values["target"] for id in ids], [items[0][id].content for id in ids])
    first, second = ([side[id].values["prediction"] for id in ids] for side in items)
    reach, _ = difference(bootstrap, second, first, "final_no_rank")
    assert reach and found.interval == pytest.approx(reach, abs=0.01)
    assert found.value == pytest.approx(
        bootstrap.whole(second)["final_no_rank"] - bootstrap.whole(first)["final_no_rank"]
    )


def test_images_are_compared_by_what_the_run_was_judged_by(tmp_path: Path) -> None:
    restored_run(tmp_path, "base", 0, 0.0)
    restored_run(tmp_path, "better", 0, 0.25)
    assert main(["compare", "sr", "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    row = table(tmp_path / "out")["sr/better"]
    assert row["figure"] == "psnr" and float(row["change"]) == pytest.approx(0.25)
    assert float(row["change_low"]) == pytest.approx(0.25) and row["contents"] == "6"


CAUTIONS = {
    "different splits": {"split_hash": "bb"},
    "different commits": {"git": {"commit": "deadbeef", "dirty": False}},
    "no commit holds": {"git": {"commit": "c0ffee", "dirty": True}},
    "labels that came from what they are judged on": {"transductive": True},
    "stand-ins": {"stand_ins": ["expert"]},
    "Over the budget": {"gmacs": 300.0},
}


@pytest.mark.parametrize("told", CAUTIONS)
def test_what_spoils_a_comparison_is_said_first(tmp_path: Path, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(3):
        scored_run(tmp_path, "base", seed, 0.5)
        scored_run(tmp_path, "other", seed, 0.5, **CAUTIONS[told])
    assert main(["compare", "exp", "--root", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert told in " ".join(said.split()) and said.index("caution") < said.index("baseline")


def test_unfinished_runs_few_seeds_and_other_files_are_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "exp/same-seed1/status.json").write_text('{"state": "interrupted"}')
    shutil.rmtree(root / "exp/better-seed1")
    for seed in (0, 2):
        (root / f"exp/better-seed{seed}/predictions.parquet").unlink()
    assert main(["compare", "exp/base", "exp/same", "exp/better"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "exp/same-seed1 interrupted" in said
    assert "Too few seeds to say how far a seed moves the score: exp/better (2)" in said
    assert "Not judged on the same files as exp/base" in said


def test_runs_that_differ_within_a_variant_are_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = root / "exp/same-seed2/config.yaml"
    config.write_text(config.read_text().replace("width: 64", "width: 32"))
    assert main(["compare", "exp"]) == 0
    assert "The runs of exp/same differ in more than their seed: model.init_args.width" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give either runs to compare, or --rerun RUN"),
        (["nothing"], "nothing: names no run"),
        (["exp", "--baseline", "worse"], "no variant is called worse"),
        (["exp", "--split", "val"], "no run has a score on val"),
        (["--rerun", "exp/base"], "names 3 runs"),
        (["exp", "--rerun", "exp/base-seed0"], "names runs beside --rerun"),
    ],
)
def test_wrong_words_are_told(root: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *words]) == 2
    assert told in capsys.readouterr().err


def test_runs_set_aside_are_not_taken(root: Path) -> None:
    from experiments.comparison.runs import find_runs

    shutil.copytree(root / "exp/base-seed0", root / "exp/base-seed0.old-20260101-000000")
    assert [run.seed for run in find_runs(["exp/base"], root)["exp/base"]] == [0, 1, 2]


def test_the_difference_of_a_repeated_run_is_named(tmp_path: Path) -> None:
    from experiments.comparison.rerun import differences

    first = scored_run(tmp_path / "a", "base", 0, 0.5)
    second = scored_run(tmp_path / "b", "base", 0, 0.5)
    assert differences(first, second) == []
    log = second / "metrics.jsonl"
    log.write_text(log.read_text().replace("0.7", "0.7000001"))
    (said,) = differences(first, second)
    assert said.startswith("step 2: val/final_score was 0.7 and is 0.7000001 (+1e-07)")


def test_the_page_stands_alone(root: Path) -> None:
    assert main(["compare", "exp", "--out", "out"]) == 0
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2 and "http://www.w3.org" in page
    assert not re.search(r"(src|href)=['\"](?!#)", re.sub(r"xlink:href", "", page))
    for name in ("scores.png", "cost.png", "scores.svg", "report.md"):
        assert (Path("out") / name).stat().st_size > 500


PROBE = """<script>
const pictures = [...document.querySelectorAll("svg, img")];
document.body.dataset.pictures = pictures.map(
    (each) => each.getBoundingClientRect().height > 150 && (each.tagName !== "IMG" || each.naturalWidth > 0));
</script>"""


@pytest.mark.slow
def test_a_browser_shows_the_page_without_a_complaint(root: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    assert main(["compare", "exp", "--out", "out"]) == 0
    picture = tmp_path / "page.png"
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1200,1400",
         f"--screenshot={picture}", f"file://{Path('out/report.html').resolve()}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert picture.stat().st_size > 20_000, done.stderr
    assert "CONSOLE" not in done.stderr
    probed = tmp_path / "probed.html"
    probed.write_text(Path("out/report.html").read_text(encoding="utf-8") + PROBE, encoding="utf-8")
    seen = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", probed.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert 'data-pictures="true,true"' in seen.stdout, "both pictures are there, and large enough to be read"


@pytest.mark.slow
def test_a_run_is_repeated_to_the_last_digit_and_a_change_is_named(tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", 8, val=3, test=2, width=64, height=48)
    words = ("fit", "--config", TINY, "--trainer.max_epochs", "1", "--data.init_args.batch_size", "4")
    assert train(*words, cwd=tmp_path).returncode == 0
    again = experiments("compare", "--rerun", "runs/tiny_student/base-seed0", cwd=tmp_path)
    assert again.returncode == 0 and "came out again to the last digit" in again.stdout, again.stderr
    log = tmp_path / "runs/tiny_student/base-seed0/metrics.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    place = next(place for place, row in enumerate(rows) if row.get("val/final_score") is not None)
    rows[place]["val/final_score"] += 1e-9
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    other = experiments("compare", "--rerun", "runs/tiny_student/base-seed0", cwd=tmp_path)
    assert other.returncode == 1 and "val/final_score was" in other.stdout
    assert "1 figures came out otherwise" in other.stderr
