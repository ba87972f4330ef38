"""The metric keyed by file: exact on any number of processes, and always loggable."""

import json
import math
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from metrics.kvq_score import KVQScore

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]

IDS = ["train/é.mp4", "a.mp4", "視頻/b.mp4", "c.mp4", "long/" * 9 + "d.mp4", "e.mp4", "f.mp4"]
PREDICTIONS = [3.0, 1.0, 2.5, 4.0, 2.0, 3.5, 2.75]
TARGETS = [3.1, 1.5, 2.0, 4.5, 2.75, 3.25, 3.0]
PAIRS = [("nonsource", "a.mp4", "c.mp4", 2), ("nonsource", IDS[0], "e.mp4", 1), ("source", "f.mp4", "a.mp4", 1)]


def reference(p=PREDICTIONS, y=TARGETS):
    p, y = np.float64(np.float32(p)), np.float64(np.float32(y))
    rho, linear = stats.spearmanr(p, y).statistic, stats.pearsonr(p, y).statistic
    return {
        "n": len(p),
        "srocc": rho,
        "plcc": linear,
        "krocc": stats.kendalltau(p, y).statistic,
        "rmse": np.sqrt(np.mean((p - y) ** 2)),
        "rank_nonsource": 0.5,
        "rank_source": 1.0,
        "final": 0.45 * rho + 0.45 * linear + 0.05 * 0.5 + 0.05 * 1.0,
        "final_no_rank": (rho + linear) / 2,
    }


def update(metric, rows, p=PREDICTIONS, y=TARGETS):
    metric.update([IDS[i] for i in rows], torch.tensor([p[i] for i in rows]), torch.tensor([y[i] for i in rows]))


def check(found):
    expected = reference()
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert expected["plcc"] <= found["plcc_fit4"] <= 1
    assert set(found) == {*expected, "plcc_fit4"}


def test_one_process_equals_scipy_and_counts_a_file_once():
    metric = KVQScore(PAIRS)
    update(metric, [0, 1, 2])
    update(metric, [3, 4, 5, 6])
    update(metric, [1, 3], p=[9.0] * 7)
    check(metric.compute())
    expected = sorted(zip(IDS, PREDICTIONS, TARGETS, strict=True))
    assert metric.rows() == [(name, p, pytest.approx(y)) for name, p, y in expected]


def test_batches_and_their_order_do_not_matter():
    results = []
    for order in ([[0, 1, 2, 3, 4, 5, 6]], [[6], [2, 0], [5, 4, 3, 1]]):
        metric = KVQScore(PAIRS)
        for rows in order:
            update(metric, rows)
        results.append(metric.compute())
    assert results[0] == results[1]


def test_columns_and_low_precision_are_taken():
    metric = KVQScore()
    metric.update(
        ["a", "b", "c"], torch.tensor([[1.0], [2.0], [3.0]]).bfloat16(), torch.tensor([1.0, 2.0, 3.0]).double()
    )
    assert metric.compute()["rmse"] == 0


def test_reset_forgets_and_keeps_the_last_rows_for_the_table():
    metric = KVQScore()
    update(metric, [0, 1, 2])
    metric.compute()
    metric.reset()
    assert len(metric.rows()) == 3
    update(metric, [3, 4])
    assert metric.compute()["n"] == 2 and len(metric.rows()) == 2


def test_constant_and_diverged_predictions_are_logged_as_zero():
    for p in ([2.0] * 7, [math.nan] * 7, [*PREDICTIONS[:6], math.inf]):
        metric = KVQScore(PAIRS)
        update(metric, range(7), p=p)
        found = metric.compute()
        assert all(found[name] == 0 for name in ("srocc", "plcc", "plcc_fit4", "krocc", "final_no_rank"))
        assert 0 <= found["final"] <= 0.1
        assert all(value is None or math.isfinite(value) for value in found.values())


def test_pairs_of_files_that_were_not_predicted_are_left_out():
    metric = KVQScore()
    metric.set_pairs(PAIRS)
    update(metric, [1, 3])
    found = metric.compute()
    assert found["rank_nonsource"] == 1.0
    assert found["rank_source"] is None and found["final"] is None


def test_unlabelled_files_are_in_the_rows_only():
    metric = KVQScore()
    update(metric, range(7))
    metric.update(["sealed.mp4"], torch.tensor([3.0]), torch.tensor([math.nan]))
    assert metric.compute()["n"] == 7
    assert metric.rows()[-2][0] == "train/é.mp4" and any(name == "sealed.mp4" for name, _, _ in metric.rows())


def test_nothing_labelled_gives_no_value():
    metric = KVQScore(PAIRS)
    update(metric, range(7), y=[math.nan] * 7)
    found = metric.compute()
    assert found.pop("n") == 0
    assert found.pop("rank_nonsource") == 0.5 and found.pop("rank_source") == 1.0
    assert set(found.values()) == {None}


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="2 ids for 1 predictions and 2 targets"):
        KVQScore().update(["a", "b"], torch.ones(1), torch.ones(2))


TWO_RANKS = """
import json, sys, torch, torch.distributed as dist
from tests_data import IDS, PREDICTIONS, TARGETS, PAIRS
from metrics.kvq_score import KVQScore
torch.set_num_threads(1)
rank, store, deal = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
metric = KVQScore(PAIRS)
results = []
for epoch in range(2):
    for rows in deal[rank]:
        p, y = ([column[i] for i in rows] for column in (PREDICTIONS, TARGETS))
        metric.update([IDS[i] for i in rows], torch.tensor(p), torch.tensor(y))
    results.append({**metric.compute(), "rows": metric.rows()})
    metric.reset()
assert results[0] == results[1]
dist.barrier()
dist.destroy_process_group()
print(json.dumps(results[0]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "deal",
    [
        # A sampler that pads deals row 0 twice; ids of one rank are longer than any of the other.
        [[[0, 2], [4, 6]], [[1, 3], [5, 0]]],
        [[[0, 1, 2, 4], [3], [6]], [[5]]],
        [[], [[3, 4, 5, 6], [0, 1, 2]]],
    ],
    ids=["padded", "uneven", "empty-rank"],
)
def test_two_processes_equal_scipy(deal, tmp_path):
    values = {"IDS": IDS, "PREDICTIONS": PREDICTIONS, "TARGETS": TARGETS, "PAIRS": PAIRS}
    (tmp_path / "tests_data.py").write_text("\n".join(f"{name} = {value!r}" for name, value in values.items()), "utf-8")
    (tmp_path / "rank.py").write_text(textwrap.dedent(TWO_RANKS))
    ranks = [
        subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                str(tmp_path / "rank.py"),
                str(rank),
                str(tmp_path / "store"),
                json.dumps(deal),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [rank.communicate(timeout=240) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], outputs
    found = [json.loads(stdout) for stdout, _ in outputs]
    assert found[0] == found[1]
    rows = found[0].pop("rows")
    assert [row[0] for row in rows] == sorted(IDS)
    check(found[0])
