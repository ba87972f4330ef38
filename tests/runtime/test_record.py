import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from records.runs import read_metrics
from runtime.record import RunRecord

torch.set_num_threads(1)


class Tiny(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, index):
        loss = self.layer(batch[0]).square().mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch, index):
        self.log("val/final_score", self.layer(batch[0]).mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def loader(rows: int = 16) -> DataLoader:
    return DataLoader(TensorDataset(torch.ones(rows, 2)), batch_size=2)


def fit(folder: Path, **options) -> L.Trainer:
    trainer = L.Trainer(
        default_root_dir=folder,
        logger=RunRecord(folder),
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        **options,
    )
    trainer.fit(Tiny(), loader(), loader())
    return trainer


def test_every_validation_and_no_more_training_lines_than_asked_for(tmp_path: Path) -> None:
    fit(tmp_path, max_epochs=3, log_every_n_steps=4)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "val/final_score" in row] == [7, 15, 23]
    assert [row["step"] for row in rows if "train/loss" in row] == [3, 7, 11, 15, 19, 23]
    assert [row["epoch"] for row in rows if "val/final_score" in row] == [0, 1, 2]
    assert read_metrics(tmp_path) == sorted(rows, key=lambda row: row["step"])


def test_a_repeated_step_counts_once_and_newest(tmp_path: Path) -> None:
    record = RunRecord(tmp_path)
    for step, value in ((4, 0.1), (9, 0.2), (9, 0.3), (4, 0.5), (14, 0.4)):
        record.log_metrics({"val/final_score": value, "epoch": 0}, step)
    record.log_metrics({"train/loss": 7.0}, 9)
    rows = read_metrics(tmp_path)
    assert [(row["step"], row["val/final_score"]) for row in rows if "val/final_score" in row] == [
        (4, 0.5),
        (9, 0.3),
        (14, 0.4),
    ]
    assert [row["step"] for row in rows] == [4, 9, 9, 14]


def test_numbers_that_are_none_are_null_in_strict_json(tmp_path: Path) -> None:
    RunRecord(tmp_path).log_metrics({"train/loss": float("nan"), "train/norm": float("inf"), "ok": 1}, 3)

    def refuse(word: str) -> None:
        raise AssertionError(word)

    row = json.loads((tmp_path / "metrics.jsonl").read_text(), parse_constant=refuse)
    assert row == {"step": 3, "epoch": None, "train/loss": None, "train/norm": None, "ok": 1.0}


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1, "a": 1}\n[3]\n{"step": "x"}\n\xff\xfe\n{"step": 2, "a"')
    RunRecord(tmp_path).log_metrics({"a": 5.0}, 3)
    assert [row["step"] for row in read_metrics(tmp_path)] == [1, 3]
    assert read_metrics(tmp_path / "none") == []


def test_only_the_first_rank_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning.pytorch.utilities import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    RunRecord(tmp_path).log_metrics({"a": 1.0}, 0)
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.slow
def test_a_kill_loses_no_line_that_was_logged(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from runtime.record import RunRecord\n"
        "record = RunRecord(Path(sys.argv[1]))\n"
        "for step in range(1000):\n"
        "    record.log_metrics({'val/final_score': step}, step); print(step, flush=True)\n"
        "    if step == 20: sys.stdin.read()\n"
    )
    root = Path(__file__).resolve().parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == "20":
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert [row["step"] for row in read_metrics(tmp_path)] == list(range(21))
