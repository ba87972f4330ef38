"""Restored images on disk: none made twice, and none taken over from another checkpoint, setting or source."""

import os

import lightning as L
import numpy as np
import pytest
from torch.utils.data import DataLoader

from callbacks.restored_images import RestoredImages
from callbacks.run_facts import RunFacts
from datamodules.image.files import ImageFiles
from records.images import read_image, to_tensor, write_image
from tests.callbacks.test_candidates import Restorer

NAMES = ("a", "b", "c")


class Pictures(L.LightningDataModule):
    """Three images to predict."""

    def __init__(self, root):
        super().__init__()
        self.root, self.left_out = root, frozenset()

    def images(self, split):
        assert split == "predict"
        return [ImageFiles(f"x/{name}.jpg", self.root / f"{name}.png", None, "wild", 1, name) for name in NAMES]

    def leave_out(self, ids):
        self.left_out = ids

    def predict_dataloader(self):
        images = [image for image in self.images("predict") if image.id not in self.left_out]
        batches = [{"id": [image.id], "lr": to_tensor(read_image(image.path))[None], "scale": 1} for image in images]
        return DataLoader(batches or [{"id": []}], batch_size=None)


@pytest.fixture
def work(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.ckpt").write_bytes(name.encode())
    for place, name in enumerate(NAMES):
        write_image(tmp_path / f"{name}.png", np.full((4, 5, 3), 40 * place, np.uint8))
    return tmp_path


def predict(work, checkpoint="a.ckpt", fails="none", arguments=None, data=None, **more):
    """What was asked of the network, and what the end screen says."""
    module, callback = Restorer(work / checkpoint, fails), RestoredImages()
    config = {"model": {"init_args": arguments or {}}, "data": {"init_args": data or {}}}
    trainer = L.Trainer(
        accelerator="cpu", default_root_dir=work / "run", callbacks=[callback, RunFacts(config)],
        enable_progress_bar=False, logger=False, **more,
    )  # fmt: skip
    trainer.predict(module, datamodule=Pictures(work), return_predictions=False)
    return [id[2] for id in module.asked], callback.told


def test_what_a_stopped_prediction_did_is_not_done_again(work):
    with pytest.raises(RuntimeError, match="killed"):
        predict(work, fails="x/c")
    written = {name: (work / f"run/restored/x/{name}.png").stat() for name in ("a", "b")}
    asked, told = predict(work)
    assert asked == ["c"] and told == {"restored before": "2 of 3 images"}
    assert {name: (work / f"run/restored/x/{name}.png").stat() for name in written} == written
    assert predict(work) == ([], {"restored before": "3 of 3 images"})
    assert [read_image(work / f"run/restored/x/{name}.png")[0, 0, 0] for name in NAMES] == [0, 40, 80]


def test_a_result_that_was_removed_or_changed_or_whose_source_was_is_made_anew(work):
    assert predict(work) == (["a", "b", "c"], {})
    (work / "run/restored/x/a.png").unlink()
    write_image(work / "run/restored/x/b.png", np.zeros((4, 5, 3), np.uint8))
    write_image(work / "c.png", np.full((4, 5, 3), 9, np.uint8))
    assert predict(work)[0] == ["a", "b", "c"]
    assert [read_image(work / f"run/restored/x/{name}.png")[0, 0, 0] for name in NAMES] == [0, 40, 9]
    assert predict(work)[0] == []
    os.utime(work / "a.png", (1, 1))
    assert predict(work)[0] == ["a"]


def test_another_checkpoint_or_setting_makes_all_anew(work):
    other = {"arguments": {"tiles": 64}}
    assert predict(work)[0] == predict(work, "b.ckpt")[0] == predict(work, **other)[0] == ["a", "b", "c"]
    assert predict(work, **other, data={"num_workers": 3, "predict_paths": ["y"]})[0] == []
    assert predict(work, **other, data={"wild_scale": 2})[0] == ["a", "b", "c"]
    # Bytes that another one wrote over are not taken for ours.
    assert predict(work)[0] == ["a", "b", "c"]


def test_another_precision_makes_all_anew(work):
    predict(work)
    assert predict(work, precision="bf16-mixed")[0] == ["a", "b", "c"]


def test_a_journal_of_nonsense_is_passed_over(work):
    predict(work)
    (journal,) = (work / "run/restored").glob(".journal-*.jsonl")
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(["[1]", "{", '{"id": ["x"]}', '{"id": "x/a.png"}', lines[1], lines[2][:-9]]))
    assert predict(work)[0] == ["a", "c"]
