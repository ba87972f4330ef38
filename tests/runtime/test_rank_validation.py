"""A validation says the same on one and on two ranks, which hold clips in unequal numbers."""

import json
from pathlib import Path

import pytest

from records.predictions import read_predictions
from tests.command import TINY, train
from tests.tiny_kvq import make_tiny_kvq


@pytest.mark.slow
def test_validate_is_the_same_on_one_and_two_processes(tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", 2, val=2)
    words = ("--config", str(TINY), "--trainer.max_epochs", "1")
    # 14 clips less one: the ranks hold 7 and 6.
    table = tmp_path / "data/val.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    assert train("fit", *words, cwd=tmp_path).returncode == 0
    folder = tmp_path / "runs/tiny_student/base-seed0"
    found = []
    for devices in (("1",), ("2", "--trainer.strategy", "ddp")):
        (folder / "predictions.parquet").unlink()
        (folder / "summary.json").unlink()
        done = train("validate", *words, "--trainer.devices", *devices, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        rows = {row.id: row.prediction for row in read_predictions(folder / "predictions.parquet")}
        found.append((rows, json.loads((folder / "summary.json").read_text())["val"]["score"]))
    (one, first), (two, second) = found
    assert one.keys() == two.keys() and len(one) == 13
    assert max(abs(one[id] - two[id]) for id in one) < 1e-5
    assert round(first, 6) == round(second, 6)
