"""A feature bank is filled once: what is there is left alone, what does not fit is refused, damage is told."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from callbacks.expert_features import ExpertFeatureWriter
from datamodules.kvq import KVQDataModule
from datamodules.video.samplers import OnePerSecond, Uniform
from datamodules.video.views.expert_rows import ExpertRows
from datamodules.video.views.key_frames import KeyFrames
from lightning_modules.vqa_expert import VQAExpert
from models.vqa.branch import Branch
from models.vqa.experts import Expert
from records.errors import UserError
from records.feature_bank import FeatureBank
from records.hashing import tensors_hash
from tests.callbacks.tiny_task import trainer
from tests.tiny_kvq import make_tiny_kvq

torch.set_num_threads(1)


class Counted(Branch):
    """Mean colours through a layer; counts what is not a count of costs."""

    width = 5

    def __init__(self, source: str | None = "a file", scale: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.source, self.scale, self.forwards = torch.nn.Linear(3, 5), source, scale, 0

    def forward(self, view: Tensor) -> Tensor:
        self.forwards += view.device.type != "meta"
        assert len(view) == 1
        return self.scale * self.layer(view.float().mean(dim=(3, 4)) / 255)

    def load_pretrained(self) -> str | None:
        return self.source


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    return make_tiny_kvq(tmp_path_factory.mktemp("videos"), 1, val=1, test=1)


def fill(root: Path, bank: Path, branch: Branch, *, sampler=None, version="1", rows=None, stop=None, **data):
    view = KeyFrames(sampler or Uniform(4), 32, "none", crops=2)
    module = KVQDataModule(str(root), {"frames": view}, batch_size=4, num_workers=0, **{"predict_split": "all", **data})
    task = VQAExpert(Expert("frames", branch, rows or 4), "counted", version, str(bank))
    writer = ExpertFeatureWriter()
    run = trainer(bank / "run", writer, limit_predict_batches=stop)
    run.predict(task, module, return_predictions=False)
    return writer


def rows_of(bank: Path) -> bytes:
    return next((bank / "counted").glob("rows*.f16")).read_bytes()


def test_every_clip_of_every_split_gets_its_rows(videos, tmp_path):
    branch = Counted()
    writer = fill(videos, tmp_path, branch)
    bank = FeatureBank(tmp_path / "counted")
    assert len(bank.index) == branch.forwards == 21 and not bank.missing(bank.index)
    assert bank.header.tokens == 4 and bank.header.width == 5 and not bank.header.stand_in
    assert bank.header.weights_hash == tensors_hash(Expert("frames", Counted()).state_dict())
    view = KeyFrames(Uniform(4), 32, "none", crops=2)
    module = KVQDataModule(str(videos), {"frames": view}, predict_split="test", num_workers=0)
    module.setup("predict")
    batch = next(iter(module.predict_dataloader()))
    with torch.inference_mode():
        expected = Counted()(batch["views"]["frames"][2:3]).reshape(1, 4, 2, 5).mean(2)[0]
    assert np.array_equal(bank.read(batch["id"][2]), expected.half().numpy())
    assert writer.figures["new_rows"] == 21 and writer.told["weights"] == "a file"


def test_a_second_run_does_no_forward_and_changes_no_byte(videos, tmp_path):
    fill(videos, tmp_path, Counted())
    before = {path.name: path.read_bytes() for path in (tmp_path / "counted").iterdir()}
    again = Counted()
    writer = fill(videos, tmp_path, again)
    assert again.forwards == 0 and writer.figures["new_rows"] == 0 and writer.figures["rows"] == 21
    assert {path.name: path.read_bytes() for path in (tmp_path / "counted").iterdir()} == before


def test_a_run_that_stopped_goes_on_to_the_same_bytes(videos, tmp_path):
    fill(videos, tmp_path / "whole", Counted())
    fill(videos, tmp_path / "cut", Counted(), stop=1)
    rest = Counted()
    fill(videos, tmp_path / "cut", rest)
    assert rest.forwards == 17
    assert rows_of(tmp_path / "cut") == rows_of(tmp_path / "whole")


def test_clips_by_path_join_a_bank_of_labelled_ones(videos, tmp_path):
    fill(videos, tmp_path, Counted(), predict_split="val")
    branch = Counted()
    fill(videos, tmp_path, branch, predict_paths=[str(videos / "test"), str(videos / "val")])
    assert branch.forwards == 7
    bank = FeatureBank(tmp_path / "counted")
    assert sorted(bank.index) == sorted(f"{split}/000{n}.mp4" for split in ("val", "test") for n in range(1, 8))
    assert not bank.missing(bank.index)


def other_weights() -> Branch:
    branch = Counted()
    torch.nn.init.ones_(branch.layer.weight)
    return branch


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda: {"branch": other_weights()}, "weights_hash"),
        (lambda: {"branch": Counted(None)}, "stand_in"),
        (lambda: {"branch": Counted(), "version": "2"}, "version"),
        (lambda: {"branch": Counted(), "sampler": OnePerSecond(4)}, "sampler_hash"),
        (lambda: {"branch": Counted(), "rows": 8}, "tokens"),
    ],
)
def test_a_bank_of_other_rows_is_refused_before_the_first_video(videos, tmp_path, change, field):
    fill(videos, tmp_path, Counted(), stop=1)
    before = rows_of(tmp_path)
    arguments = change()
    with pytest.raises(UserError, match=field):
        fill(videos, tmp_path, **arguments)
    assert arguments["branch"].forwards == 0 and rows_of(tmp_path) == before


def test_random_weights_make_a_stand_in_that_says_so_everywhere(videos, tmp_path):
    writer = fill(videos, tmp_path, Counted(None))
    assert json.loads((tmp_path / "counted/header.json").read_text())["stand_in"] is True
    assert (tmp_path / "counted/rows.stand-in.f16").is_file()
    assert "random weights" in writer.told["stand-in"] and writer.figures["stand_in"] is True
    module = KVQDataModule(str(videos), {"experts": ExpertRows(str(tmp_path), {"counted": 5}, tokens=4)})
    assert module.stand_ins == ["counted"]


def test_rows_beyond_float16_are_left_out_by_name_and_the_run_goes_on(videos, tmp_path, caplog):
    class Sometimes(Counted):
        def forward(self, view: Tensor) -> Tensor:
            return super().forward(view) * (1e6 if self.forwards == 3 else 1)

    writer = fill(videos, tmp_path, Sometimes())
    bank = FeatureBank(tmp_path / "counted")
    (left_out,) = bank.missing(bank.index)
    assert writer.figures["missing_rows"] == 1 and left_out in writer.told["without a row"]
    assert left_out in caplog.text and "beyond" in caplog.text
    assert np.isfinite(bank.read_many([id for id in bank.index if id != left_out])).all()


def test_unreadable_videos_get_no_row_and_are_tried_again(videos, tmp_path):
    root = make_tiny_kvq(tmp_path / "data", 1, val=1, zero_byte=True)
    writer = fill(root, tmp_path, Counted())
    assert writer.figures["missing_rows"] == 1 and "train/0003.mp4" in writer.told["without a row"]
    (root / "train/0003.mp4").write_bytes((root / "train/0001.mp4").read_bytes())
    branch = Counted()
    writer = fill(root, tmp_path, branch)
    assert branch.forwards == 1 and writer.figures["missing_rows"] == 0


def test_a_view_that_the_expert_does_not_read_is_refused(videos, tmp_path):
    module = KVQDataModule(str(videos), {"motion": KeyFrames(Uniform(4), 32)}, num_workers=0)
    task = VQAExpert(Expert("frames", Counted()), "counted", "1", str(tmp_path))
    with pytest.raises(UserError, match="reads the view 'frames' and the data has motion"):
        trainer(tmp_path / "run", ExpertFeatureWriter()).predict(task, module, return_predictions=False)
    assert not (tmp_path / "counted").exists()


def test_names_that_are_no_folder_are_refused():
    with pytest.raises(ValueError, match="names a folder"):
        VQAExpert(Expert("frames", Counted()), "../up", "1", "bank")
