"""The teacher keeps the scale of its predictions, and members are averaged after standardising."""

import copy
import math

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from callbacks.gflops_budget import GFLOPsBudget
from lightning_modules.vqa_teacher import VQATeacher
from losses.mse import MSELoss
from models.vqa.heads import MLPHead
from models.vqa.network import VQANetwork
from models.vqa.timm_frames import TimmFrames
from records.errors import CheckFailed, UserError
from records.labels import Label

torch.set_num_threads(1)
COUNT = 8


class Clips(L.LightningDataModule):
    """Eight grey clips, the brighter the better."""

    shapes = {"frames": (1, 3, 32, 32)}  # noqa: RUF012
    split_hash = "0"

    def sample(self, index):
        frames = torch.full(self.shapes["frames"], 20 * index, dtype=torch.uint8)
        return {"id": f"{index}.mp4", "views": {"frames": frames}, "mos": torch.tensor(1.0 + index), "content": "c"}

    def labels(self, split):
        return [Label(f"{index}.mp4", 1.0 + index, "c", split) for index in range(COUNT)]

    def label_stats(self):
        return 4.5, 2.25

    def pairs(self, split):
        return []

    def _loader(self):
        return DataLoader([self.sample(index) for index in range(COUNT)], batch_size=4)

    train_dataloader = val_dataloader = test_dataloader = predict_dataloader = _loader


def teacher(seed=0, hidden=8, **more):
    torch.manual_seed(seed)
    network = VQANetwork({"frames": TimmFrames("test_efficientnet")}, MLPHead(hidden=hidden, dropout=0.0))
    return VQATeacher(network, MSELoss(), **more)


def trainer(folder, **more):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "num_sanity_val_steps": 0}
    quiet |= {"enable_checkpointing": False, "use_distributed_sampler": False}
    return L.Trainer(accelerator="cpu", default_root_dir=folder, **quiet | more)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """Checkpoints of three seeds, and what each says of the clips on its own."""
    folder = tmp_path_factory.mktemp("members")
    found = []
    for seed in range(3):
        task = teacher(seed, optimizer=lambda groups: torch.optim.SGD(groups, 0.0))
        run = trainer(folder, max_epochs=1)
        run.fit(task, datamodule=Clips())
        run.save_checkpoint(folder / f"{seed}.ckpt")
        raw = {id: score for batch in trainer(folder).predict(task, Clips()) for id, score, _ in batch}
        found.append((str(folder / f"{seed}.ckpt"), raw))
    return found


def test_the_scale_is_that_of_the_training_steps(tmp_path):
    task = teacher(optimizer=lambda groups: torch.optim.SGD(groups, 0.01))
    seen = []
    own = task._note
    task._note = lambda prediction: (seen.append((task.current_epoch, prediction)), own(prediction))
    run = trainer(tmp_path, max_epochs=2)
    run.fit(task, datamodule=Clips())
    run.save_checkpoint(tmp_path / "a.ckpt")
    last = torch.cat([prediction for epoch, prediction in seen if epoch == 1])
    scale = torch.load(tmp_path / "a.ckpt", weights_only=True)["training_scores"]
    assert len(last) == COUNT and all(type(value) is float for value in scale.values())
    assert scale["mean"] == pytest.approx(last.mean().item(), rel=1e-6)
    assert scale["sd"] == pytest.approx(last.std(correction=0).item(), rel=1e-5)
    assert (scale["label_mean"], scale["label_sd"]) == (4.5, 2.25)


def test_a_restored_fit_goes_on_with_the_scale(tmp_path):
    task = teacher()
    run = trainer(tmp_path, max_epochs=1)
    run.fit(task, datamodule=Clips())
    saved: dict = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(saved)
    again = teacher(1)
    again.on_load_checkpoint(copy.deepcopy(saved))
    assert again._scale.plain() == saved["training_scores"]
    assert [again._moments_epoch, *again._moments.tolist()] == saved["training_moments"]
    assert saved["training_moments"][:2] == [0, COUNT]


def test_members_are_standardised_before_the_mean(tmp_path, members):
    task = teacher(9, members=[path for path, _ in members])
    rows = {id: (score, spread) for batch in trainer(tmp_path).predict(task, Clips()) for id, score, spread in batch}
    assert len(rows) == COUNT
    mapped = []
    for path, raw in members:
        scale = torch.load(path, weights_only=True)["training_scores"]
        mapped.append({id: (score - scale["mean"]) / scale["sd"] * 2.25 + 4.5 for id, score in raw.items()})
    for id, (score, spread) in rows.items():
        each = torch.tensor([scores[id] for scores in mapped])
        assert score == pytest.approx(each.mean().item(), abs=1e-4)
        assert spread == pytest.approx(each.std().item(), abs=1e-4)
    # One scale for all would let the member of the largest sd decide.
    raw_mean = {id: sum(raw[id] for _, raw in members) / 3 for id in rows}
    assert max(abs(raw_mean[id] - rows[id][0]) for id in rows) > 0.05


def test_one_member_has_no_spread_but_label_units(tmp_path, members):
    path, raw = members[0]
    task = teacher(9, members=[path])
    rows = [row for batch in trainer(tmp_path).predict(task, Clips()) for row in batch]
    assert all(math.isnan(spread) for _, _, spread in rows)
    scale = torch.load(path, weights_only=True)["training_scores"]
    id, score, _ = rows[3]
    assert score == pytest.approx((raw[id] - scale["mean"]) / scale["sd"] * 2.25 + 4.5, abs=1e-4)


def test_validation_tells_the_mean_spread(tmp_path, members):
    task = teacher(9, members=[path for path, _ in members])
    run = trainer(tmp_path)
    rows = [row for batch in trainer(tmp_path).predict(task, Clips()) for row in batch]
    run.test(task, datamodule=Clips(), verbose=False)
    assert run.callback_metrics["test/spread"].item() == pytest.approx(sum(row[2] for row in rows) / COUNT, rel=1e-5)
    assert "3, " in task.told["members"]


def test_members_that_do_not_fit_are_told_in_one_sentence(tmp_path, members):
    path = members[0][0]
    broken = torch.load(path, weights_only=True)
    del broken["training_scores"]
    torch.save(broken, tmp_path / "student.ckpt")
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    cases = [
        ([path], {"hidden": 12}, r"holds other weights, \d of another shape: head"),
        ([str(tmp_path / "none.ckpt")], {}, "no such checkpoint"),
        ([str(tmp_path / "text.ckpt")], {}, "not a loadable checkpoint"),
        ([str(tmp_path / "student.ckpt")], {}, "does not say what it made of its training set"),
    ]
    for files, more, told in cases:
        with pytest.raises(UserError, match=told) as caught:
            trainer(tmp_path).predict(teacher(members=files, **more), Clips())
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="a fit trains one network"):
        trainer(tmp_path, max_epochs=1).fit(teacher(members=[path]), datamodule=Clips())
    both = teacher(members=[path])
    both.checkpoint = path
    with pytest.raises(UserError, match="give one of the two"):
        trainer(tmp_path).predict(both, Clips())


def test_the_budget_counts_every_member(tmp_path, members):
    one, three = teacher(), teacher(members=[path for path, _ in members])
    trainer(tmp_path, callbacks=[GFLOPsBudget()]).predict(one, Clips())
    limit = 2 * one.efficiency["gmacs"]
    trainer(tmp_path, callbacks=[GFLOPsBudget(limit)]).predict(one, Clips())
    with pytest.raises(CheckFailed, match="over the budget"):
        trainer(tmp_path, callbacks=[GFLOPsBudget(limit)]).predict(three, Clips())
    assert three.efficiency["gmacs"] == pytest.approx(3 * one.efficiency["gmacs"])


def test_a_member_that_learnt_from_held_out_clips_stamps_all(tmp_path, members):
    fair = members[0][0]
    leaky = tmp_path / "leaky.ckpt"
    torch.save({**torch.load(fair, weights_only=True), "transductive": True}, leaky)
    found = []
    for paths in ([fair], [fair, str(leaky)]):
        task = teacher(9, members=paths)
        trainer(tmp_path).predict(task, Clips())
        found.append(task.transductive)
    assert found == [False, True]
