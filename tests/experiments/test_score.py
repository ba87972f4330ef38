"""`python -m experiments score kvq`: the official rule, its refusals, its output."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from scipy import stats

from experiments.__main__ import main
from records.labels import Label, write_labels
from records.pairs import Pair, write_pairs
from records.predictions import Prediction, write_predictions

ROOT = Path(__file__).resolve().parents[2]
FIELDS = [
    "n", "srocc", "plcc", "plcc_fit4", "krocc", "rmse", "rank_nonsource", "rank_source", "final", "final_no_rank",
    "interval",
]  # fmt: skip


class Challenge:
    """Labels of 12 contents with 7 versions each, noisy predictions with ties, and pairs, as files."""

    def __init__(self, folder, split="val", contents=12, seed=0):
        generator = np.random.default_rng(seed)
        self.folder, n = folder, 7 * contents
        self.ids = [f"{split}/{number:04d}.mp4" for number in range(1, n + 1)]
        truth = np.repeat(generator.normal(3.2, 0.4, contents), 7) + generator.normal(0, 0.35, n)
        self.scores = dict(zip(self.ids, np.round(truth * 36) / 36, strict=True))
        self.predicted = dict(zip(self.ids, np.round(truth + generator.normal(0, 0.3, n), 1), strict=True))
        self.pairs = []
        for kind, wanted in (("nonsource", False), ("source", True)):
            while sum(pair.kind == kind for pair in self.pairs) < 30:
                i, j = generator.integers(0, n, 2)
                if i != j and (i // 7 == j // 7) == wanted:
                    rank = int(generator.integers(1, 3))
                    self.pairs.append(Pair(kind, self.ids[i], self.ids[j], rank))
        self.labels = folder / "labels.csv"
        self.labels.write_text("filename,score\n" + "".join(f"{i},{s!r}\n" for i, s in self.items(self.scores)))
        write_pairs(folder / "pairs.csv", self.pairs)

    @staticmethod
    def items(scores):
        return [(name, float(score)) for name, score in scores.items()]

    def csv(self, scores=None, name="prediction.csv"):
        path = self.folder / name
        rows = self.items(self.predicted if scores is None else scores)
        path.write_text("filename,score\n" + "".join(f"{name},{score!r}\n" for name, score in rows))
        return path

    def run(self, *predictions, pairs=True, options=()):
        words = ["score", "kvq", "--labels", str(self.labels), "--json", str(self.folder / "out.json"), *options]
        words += ["--pairs", str(self.folder / "pairs.csv")] if pairs else []
        code = main([*words, "--predictions", *map(str, predictions or [self.csv()])])
        return json.loads((self.folder / "out.json").read_text()) if code == 0 else code


def official(scores, predicted, pairs):
    """The challenge's rule, written as plainly as can be."""
    y, p = [scores[name] for name in scores], [predicted[name] for name in scores]
    shares = []
    for kind in ("nonsource", "source"):
        hits = [
            (1 if predicted[pair.first] >= predicted[pair.second] else 2) == pair.rank
            for pair in pairs
            if pair.kind == kind
        ]
        shares.append(sum(hits) / len(hits))
    rho, linear = stats.spearmanr(y, p)[0], stats.pearsonr(y, p)[0]
    return {
        "srocc": rho,
        "plcc": linear,
        "rank_nonsource": shares[0],
        "rank_source": shares[1],
        "final": 0.45 * rho + 0.45 * linear + 0.05 * shares[0] + 0.05 * shares[1],
    }


@pytest.fixture
def challenge(tmp_path):
    return Challenge(tmp_path)


def test_official_rule(challenge):
    found = challenge.run()
    expected = official(challenge.scores, challenge.predicted, challenge.pairs)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    p, y = (np.array(list(column.values())) for column in (challenge.predicted, challenge.scores))
    assert found["krocc"] == pytest.approx(stats.kendalltau(p, y).statistic, abs=1e-9)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((p - y) ** 2)), abs=1e-9)
    assert found["final_no_rank"] == pytest.approx((expected["srocc"] + expected["plcc"]) / 2, abs=1e-9)
    assert list(found) == FIELDS and found["n"] == 84
    low, high = found["interval"]
    assert low < found["final"] < high < 1


def test_official_workbook_gives_the_same(challenge):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for kind in ("nonsource", "source"):
        sheet = book.create_sheet(kind)
        sheet.append(["video1", "video2", "rank"])
        for pair in challenge.pairs:
            if pair.kind == kind:
                sheet.append(pair[1:])
    book.save(challenge.folder / "rank-pair-val.xlsx")
    expected = challenge.run()
    found = challenge.run(pairs=False, options=["--pairs", str(challenge.folder / "rank-pair-val.xlsx")])
    assert found == expected


def test_order_of_rows_and_pooled_files_do_not_matter(challenge):
    expected = challenge.run()
    rows = challenge.items(challenge.predicted)
    write_predictions(challenge.folder / "fold0.parquet", [Prediction(name, score) for name, score in rows[50:]])
    fold1 = challenge.csv(dict(reversed(rows[:50])), "fold1.csv")
    found = challenge.run(challenge.folder / "fold0.parquet", fold1)
    assert found == expected


def test_without_pairs_there_is_no_final_score(challenge, capsys):
    found = challenge.run(pairs=False)
    null = {name for name in FIELDS if found[name] is None}
    assert null == {"rank_nonsource", "rank_source", "final", "interval"}
    printed = capsys.readouterr().out
    assert "proxy of rank accuracy, source" in printed and "no final score" in printed


def test_constant_predictions_are_not_computable(challenge, capsys):
    found = challenge.run(challenge.csv(dict.fromkeys(challenge.ids, 3.0)))
    assert all(found[name] is None for name in ("srocc", "plcc", "plcc_fit4", "krocc", "final", "interval"))
    # A tie says rank 1, so even this earns the share of rank-1 pairs.
    ones = [pair.rank == 1 for pair in challenge.pairs if pair.kind == "source"]
    assert found["rank_source"] == pytest.approx(np.mean(ones))
    assert "No correlation" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[2:], "2 labelled files have no prediction (val/0001.mp4, val/0002.mp4)"),
        (lambda rows: [*rows, ("x.mp4", 1.0)], "1 prediction is of no labelled file (x.mp4)"),
        (lambda rows: [*rows, rows[3]], "1 file is predicted twice (val/0004.mp4)"),
        (lambda rows: [(rows[0][0], float("nan")), *rows[1:]], "1 prediction is not finite (val/0001.mp4)"),
        (lambda rows: [*rows[:-1], (rows[-1][0], float("inf"))], "1 prediction is not finite (val/0084.mp4)"),
    ],
)
def test_refusals_name_the_rows(challenge, change, told, capsys):
    rows = change(challenge.items(challenge.predicted))
    path = challenge.folder / "bad.csv"
    path.write_text("filename,score\n" + "".join(f"{name},{score!r}\n" for name, score in rows))
    assert challenge.run(path) == 2
    error = capsys.readouterr().err
    assert told in error and "bad.csv" in error and len(error.splitlines()) == 1
    assert not (challenge.folder / "out.json").exists()


def test_a_long_list_is_cut_at_ten_names_and_counted(challenge, capsys):
    rows = challenge.items(challenge.predicted)
    assert challenge.run(challenge.csv(dict(rows[40:]))) == 2
    error = capsys.readouterr().err
    assert "40 labelled files have no prediction" in error and "val/0010.mp4 and 30 more" in error
    assert "val/0011.mp4" not in error


def test_the_same_file_twice_is_refused(challenge, capsys):
    path = challenge.csv()
    assert challenge.run(path, path) == 2
    assert "84 files are predicted twice" in capsys.readouterr().err


def test_pairs_of_files_that_are_not_scored(challenge, capsys):
    write_pairs(challenge.folder / "pairs.csv", [*challenge.pairs, Pair("source", "val/0001.mp4", "val/9999.mp4", 1)])
    assert challenge.run() == 2
    assert "1 file is not scored (val/9999.mp4)" in capsys.readouterr().err


def test_pairs_of_one_kind_only(challenge, capsys):
    write_pairs(challenge.folder / "pairs.csv", [pair for pair in challenge.pairs if pair.kind == "source"])
    assert challenge.run() == 2
    assert "no nonsource pair" in capsys.readouterr().err


@pytest.fixture
def two_splits(challenge):
    """One label and pair file over a sealed, a training and the validation split."""
    labels = [
        Label(name, score, f"v{row // 7}", "val") for row, (name, score) in enumerate(challenge.items(challenge.scores))
    ]
    labels += [Label("train/a.mp4", 3.0, "a", "train"), Label("train/b.mp4", 2.0, "a", "train")]
    write_labels(challenge.labels, [*labels, Label("test/a.mp4", None, "t", "test")])
    write_pairs(challenge.folder / "pairs.csv", [*challenge.pairs, Pair("source", "train/a.mp4", "train/b.mp4", 1)])
    return challenge


def test_one_split_of_a_label_file(two_splits):
    found = two_splits.run(options=["--split", "val"])
    expected = official(two_splits.scores, two_splits.predicted, two_splits.pairs)
    assert found["n"] == 84
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_a_split_that_is_not_there_or_sealed(two_splits, capsys):
    assert two_splits.run(options=["--split", "valid"]) == 2
    assert "its splits are test, train, val" in capsys.readouterr().err
    assert two_splits.run(options=["--split", "test"]) == 2
    assert "1 label has no score (test/a.mp4)" in capsys.readouterr().err


def test_several_splits_ask_for_the_option(two_splits, capsys):
    write_labels(
        two_splits.labels,
        [Label(name, score, name, name[:3]) for name, score in two_splits.items(two_splits.scores)]
        + [Label("train/a.mp4", 3.0, "a", "train")],
    )
    assert two_splits.run() == 2
    assert "--split" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--predictions", "--labels", "--pairs"])
def test_absent_files(challenge, option, capsys):
    words = {"--predictions": challenge.csv(), "--labels": challenge.labels, "--pairs": challenge.folder / "pairs.csv"}
    words[option] = challenge.folder / "absent.csv"
    assert main(["score", "kvq", *(str(word) for pair in words.items() for word in pair)]) == 2
    assert "absent.csv: no such file" in capsys.readouterr().err


def test_published_figures_stand_beside_and_are_not_ranked_on_other_data(challenge, capsys):
    challenge.run()
    printed = capsys.readouterr().out
    assert "KVQ test, 854 videos" in printed and "0.9228" in printed and "RQ-VQA README" in printed
    assert "other data" in printed and "labels.csv: 84 files, 12 contents" in printed
    assert "above ours" not in printed and "below ours" not in printed


def test_on_the_kvq_test_files_only_gaps_outside_the_interval_are_told(tmp_path, capsys):
    challenge = Challenge(tmp_path, split="test", contents=122)
    found = challenge.run()
    printed = capsys.readouterr().out
    assert "other data" not in printed
    # A noisy model: every published one is ahead, the bound too.
    assert found["interval"][1] < 0.89 and printed.count("above ours") == 7
    exact = challenge.csv(challenge.scores, "exact.csv")
    assert challenge.run(exact)["srocc"] == pytest.approx(1)
    assert "above ours" not in capsys.readouterr().out


def test_help_and_a_whole_run_load_no_torch(challenge):
    words = ["score", "kvq", "--predictions", str(challenge.csv()), "--labels", str(challenge.labels)]
    for arguments in (["score", "--help"], ["score", "kvq", "--help"], words):
        code = (
            "import sys\nfrom experiments.__main__ import main\n"
            f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
            "sys.exit('torch' in sys.modules or ('--help' in sys.argv and 'scipy' in sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "kvq" in done.stdout or "SROCC" in done.stdout


def test_options_are_a_contract(capsys):
    with pytest.raises(SystemExit):
        main(["score", "kvq", "--help"])
    printed = capsys.readouterr().out
    assert all(option in printed for option in ("--predictions", "--labels", "--pairs", "--split", "--json"))


def test_a_run_table_of_all_splits_is_scored_split_by_split(tmp_path):
    challenge = Challenge(tmp_path, split="test")
    rows = [Prediction(id, float(score), split="test") for id, score in challenge.predicted.items()]
    table = tmp_path / "predictions.parquet"
    write_predictions(table, [Prediction("val/0001.mp4", 3.0, split="val"), *rows])
    assert challenge.run(table, options=["--split", "test"])["n"] == 84
    assert challenge.run(table) == 2
