import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from callbacks.predictions import PredictionTable
from records.predictions import Prediction, read_predictions, write_predictions
from tests.callbacks.tiny_task import COUNT, TinyData, TinyTask, trainer

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]


def table(folder: Path) -> dict[str, Prediction]:
    return {row.id: row for row in read_predictions(folder / "predictions.parquet")}


def errors(folder: Path) -> float:
    return sum(abs(row.prediction - row.target) for row in table(folder).values() if row.split == "val")


def test_a_fit_keeps_the_rows_of_its_best_validation(tmp_path: Path) -> None:
    for name, scores in (("rises", [0.2, 0.9]), ("falls", [0.9, 0.2]), ("ties", [0.9, 0.9])):
        trainer(tmp_path / name, PredictionTable(), max_epochs=2).fit(TinyTask(scores), TinyData())
    assert errors(tmp_path / "rises") == pytest.approx(errors(tmp_path / "falls"))
    assert errors(tmp_path / "ties") == pytest.approx(errors(tmp_path / "falls"))
    row = table(tmp_path / "falls")["val/0003.mp4"]
    assert (row.target, row.origin, row.content, row.split) == (2.5, "label", "c1", "val")
    assert len(table(tmp_path / "falls")) == COUNT


def test_a_score_that_is_no_number_is_replaced_by_one_that_is(tmp_path: Path) -> None:
    trainer(tmp_path / "a", PredictionTable(), max_epochs=3).fit(TinyTask([float("nan"), 0.9, 0.2]), TinyData())
    trainer(tmp_path / "b", PredictionTable(), max_epochs=1).fit(TinyTask([0.9]), TinyData())
    assert errors(tmp_path / "a") == pytest.approx(errors(tmp_path / "b"))


def test_a_resumed_fit_remembers_its_best(tmp_path: Path) -> None:
    task = TinyTask([0.9, 0.2])
    first = trainer(tmp_path, PredictionTable(), max_epochs=1)
    first.fit(task, TinyData())
    before = errors(tmp_path)
    first.save_checkpoint(tmp_path / "last.ckpt", weights_only=False)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["callbacks"]
    trainer(tmp_path, PredictionTable(), max_epochs=2).fit(
        TinyTask([0.9, 0.2]), TinyData(), ckpt_path=tmp_path / "last.ckpt"
    )
    assert errors(tmp_path) == before


def test_a_sanity_check_is_no_validation(tmp_path: Path) -> None:
    trainer(tmp_path, PredictionTable(), max_epochs=1, num_sanity_val_steps=1).fit(TinyTask([0.5]), TinyData())
    assert "sanity.mp4" not in table(tmp_path) and len(table(tmp_path)) == COUNT


def test_each_split_has_its_rows_and_replaces_only_its_own(tmp_path: Path) -> None:
    task, data = TinyTask([0.5, 0.5]), TinyData()
    run = trainer(tmp_path, PredictionTable(), max_epochs=1)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    run.predict(task, data, return_predictions=False)
    run.validate(task, data, verbose=False)
    splits = [row.split for row in table(tmp_path).values()]
    assert {split: splits.count(split) for split in splits} == {"val": COUNT, "test": COUNT, "predict": COUNT}


def test_a_table_that_cannot_be_read_does_not_cost_the_new_rows(tmp_path: Path) -> None:
    (tmp_path / "predictions.parquet").write_bytes(b"PAR1 torn")
    with pytest.warns(UserWarning, match="old prediction table is replaced"):
        trainer(tmp_path, PredictionTable(), max_epochs=1).fit(TinyTask([0.5]), TinyData())
    assert len(table(tmp_path)) == COUNT


class Killed(TinyTask):
    def predict_step(self, batch, index):
        if index == 2:
            raise KeyboardInterrupt
        return super().predict_step(batch, index)


def predict(folder: Path, task: TinyTask) -> list[Prediction]:
    trainer(folder, PredictionTable()).predict(task, TinyData(), return_predictions=False)
    return read_predictions(folder / "predictions.parquet")


def test_a_stopped_prediction_goes_on_and_merges_in_order_of_id(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        predict(tmp_path, Killed())
    (part,) = (tmp_path / "predictions.parts").glob("part-0-*.jsonl")
    assert part.read_text().count("mp4") == 4
    # Told apart from what would be predicted again.
    part.write_text(part.read_text().replace("10.0", "99.0") + '["predict/0004.mp4", 1')
    rows = predict(tmp_path, TinyTask())
    assert [row.id for row in rows] == [f"predict/{index:04d}.mp4" for index in range(COUNT)]
    assert [row.prediction for row in rows] == [99.0, *(10.0 + index for index in range(1, COUNT))]
    # The next one is another prediction.
    assert not (tmp_path / "predictions.parts").exists()
    assert predict(tmp_path, TinyTask())[0].prediction == 10.0


def test_what_another_checkpoint_predicted_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_text("another")
    task = Killed()
    task.checkpoint = str(tmp_path / "a.ckpt")
    with pytest.raises(SystemExit):
        predict(tmp_path, task)
    (part,) = (tmp_path / "predictions.parts").glob("part-0-*.jsonl")
    part.write_text(part.read_text().replace("10.0", "99.0"))
    assert predict(tmp_path, TinyTask())[0].prediction == 10.0


def test_rows_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_predictions(tmp_path / "predictions.parquet", [Prediction("a.mp4", 1.0, 2.0, "label", "a", "test")])

    def fail(*_) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        trainer(tmp_path, PredictionTable(), max_epochs=1).fit(TinyTask([0.5]), TinyData())
    assert set(table(tmp_path)) == {"a.mp4"}


@pytest.mark.slow
def test_two_ranks_write_each_row_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from callbacks.predictions import PredictionTable\n"
        "from tests.callbacks.tiny_task import TinyData, TinyTask, trainer\n"
        "run = trainer(Path(sys.argv[1]), PredictionTable(), devices=2, strategy='ddp')\n"
        "data = TinyData(count=5)\n"  # three rows for one rank, two for the other
        "run.validate(TinyTask(), data, verbose=False)\n"
        "run.predict(TinyTask(), data, return_predictions=False)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows = read_predictions(tmp_path / "predictions.parquet")
    assert [row.id for row in rows if row.split == "predict"] == [f"predict/{index:04d}.mp4" for index in range(5)]
    assert sum(row.split == "val" for row in rows) == COUNT
    assert not (tmp_path / "predictions.parts").exists()
