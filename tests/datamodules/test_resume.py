"""Under Lightning: a stopped fit goes on with the very clips and draws it would have seen."""

import subprocess
import sys
import textwrap
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from records.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


class Recorder(L.LightningModule):
    """Notes epoch, ids and pixels of every training batch, and what validation saw."""

    def __init__(self, stop_before=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.stop_before, self.seen, self.validated = stop_before, [], []

    def training_step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == self.stop_before:
            raise KeyboardInterrupt
        pixels = int(batch["views"]["frames"].long().sum())
        self.seen.append((self.current_epoch, batch_idx, tuple(batch["id"]), pixels))
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        self.validated.append((self.current_epoch, tuple(batch["id"])))

    def configure_optimizers(self):
        # Asking for the number of steps makes Lightning build the training iterator before it restores its progress.
        assert self.trainer.estimated_stepping_batches > 0
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data, folder, model=None, checkpoint=None, callbacks=(), ckpt_path=None, **trainer):
    model = model or Recorder()
    trainer = L.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[*([checkpoint] if checkpoint else []), *callbacks],
        enable_checkpointing=checkpoint is not None,
        **{"max_epochs": 3, "num_sanity_val_steps": 0, **trainer},
    )
    try:
        trainer.fit(model, data, ckpt_path=ckpt_path)
    except (KeyboardInterrupt, SystemExit):
        assert model.stop_before
    return model


def last(folder, **when):
    return ModelCheckpoint(dirpath=folder, filename="last", enable_version_counter=False, **when)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [(0, 2), (1, 0), (1, 3), (2, 1)])
def test_a_fit_stopped_in_a_batch_goes_on_with_that_batch(tiny, module, tmp_path, workers, stop):
    whole = fit(module(tiny, num_workers=workers), tmp_path).seen
    assert len(whole) == 12
    saved = last(tmp_path, save_on_exception=True)
    before = fit(module(tiny, num_workers=workers), tmp_path, Recorder(stop), saved).seen
    assert before == whole[: stop[0] * 4 + stop[1]]
    after = fit(module(tiny, num_workers=workers), tmp_path, ckpt_path=tmp_path / "last.ckpt").seen
    assert before + after == whole


@pytest.mark.parametrize(
    "when, trainer, done",
    [
        ({"every_n_train_steps": 3}, {}, 9),  # in the middle of an epoch, from a hook
        ({"every_n_train_steps": 4}, {}, 8),  # after the last batch of an epoch, before validation
        ({"save_on_train_epoch_end": True}, {}, 8),
        ({"save_on_train_epoch_end": False}, {}, 8),  # at the end of validation
        ({"save_on_train_epoch_end": False}, {"val_check_interval": 0.5}, 10),  # validation in mid epoch
        ({"every_n_train_steps": 3}, {"accumulate_grad_batches": 2}, 6),  # 3 optimiser steps
        ({"every_n_train_steps": 3}, {"limit_train_batches": 3}, 6),
    ],
)
def test_a_fit_goes_on_from_every_kind_of_checkpoint(tiny, module, tmp_path, when, trainer, done):
    workers = 2  # they read ahead, so they show where an order begins too early
    whole = fit(module(tiny, num_workers=workers), tmp_path, **trainer).seen
    stop = divmod(done + 1, len(whole) // 3)  # one batch more than the checkpoint holds
    fit(module(tiny, num_workers=workers), tmp_path, Recorder(stop), last(tmp_path, **when), **trainer)
    after = fit(module(tiny, num_workers=workers), tmp_path, ckpt_path=tmp_path / "last.ckpt", **trainer).seen
    assert after == whole[done:]


def test_a_validation_cut_short_begins_anew(tiny, module, tmp_path):
    class StopsValidation(Recorder):
        def training_step(self, batch, batch_idx):
            return self.weight.sum()

        def validation_step(self, batch, batch_idx):
            if (self.current_epoch, batch_idx) == self.stop_before:
                raise KeyboardInterrupt

    fit(module(tiny, eval_batch_size=2), tmp_path, StopsValidation((1, 2)), last(tmp_path, save_on_exception=True))
    resumed = fit(module(tiny, eval_batch_size=2), tmp_path, ckpt_path=tmp_path / "last.ckpt")
    # Going on with the last two of four batches would give a score of three clips.
    assert [len(ids) for epoch, ids in resumed.validated if epoch == 1] == [2, 2, 2, 1]
    assert {epoch for epoch, *_ in resumed.seen} == {2}


def test_ladders_are_resumed_too(tiny, module, tmp_path):
    arguments = {"batch_size": 9, "ladders_per_batch": 1}
    whole = fit(module(tiny, **arguments), tmp_path).seen
    before = fit(module(tiny, **arguments), tmp_path, Recorder((1, 1)), last(tmp_path, save_on_exception=True)).seen
    after = fit(module(tiny, **arguments), tmp_path, ckpt_path=tmp_path / "last.ckpt").seen
    assert before + after == whole


def test_resuming_in_mid_epoch_draws_no_warning(tiny, module, tmp_path, recwarn):
    fit(module(tiny), tmp_path, Recorder((0, 2)), last(tmp_path, save_on_exception=True))
    fit(module(tiny), tmp_path, ckpt_path=tmp_path / "last.ckpt")
    assert not [warning for warning in recwarn if "not resumable" in str(warning.message)]


def test_overfitting_a_few_batches_keeps_their_size_and_draws(tiny, module, tmp_path):
    seen = fit(module(tiny), tmp_path, overfit_batches=2).seen
    assert [ids for _, _, ids, _ in seen[:2]] == [ids for _, _, ids, _ in seen[2:4]]
    assert all(len(ids) == 7 for _, _, ids, _ in seen)


def test_broken_files_do_not_stop_a_fit_and_are_listed_once(damaged, module, tmp_path):
    model = fit(module(damaged, num_workers=2, unreadable_share=0.1), tmp_path)
    assert all(len(ids) == 7 for _, _, ids, _ in model.seen)
    assert not any("0002" in id or "0003" in id for _, _, ids, _ in model.seen for id in ids if id.startswith("train"))
    listed = (tmp_path / "quarantine.csv").read_text().splitlines()
    assert sorted(line.split(",")[0] for line in listed[1:]) == ["train/0002.mp4", "train/0003.mp4"]


def test_skipped_training_clips_make_smaller_batches(damaged, module, tmp_path):
    data = module(damaged, on_unreadable="skip", batch_size=1, unreadable_share=0.1)
    model = fit(data, tmp_path, max_epochs=1)
    assert len(model.seen) == 26


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_broken_files_end_a_fit_in_one_sentence(damaged, module, tmp_path, workers):
    with pytest.raises(UserError) as told:
        fit(module(damaged, num_workers=workers), tmp_path)
    assert str(told.value) == (
        f"{tmp_path / 'quarantine.csv'}: 2 of 28 train clips cannot be read, and 1 are put up with; mend the files "
        "listed there, or raise data.init_args.unreadable_share"
    )
    assert len((tmp_path / "quarantine.csv").read_text().splitlines()) == 3


def test_prediction_goes_through_lightning_whole(damaged, module, tmp_path):
    class Scorer(Recorder):
        def predict_step(self, batch, batch_idx):
            return batch["id"]

    trainer = L.Trainer(default_root_dir=tmp_path, accelerator="cpu", logger=False, enable_progress_bar=False)
    found = trainer.predict(Scorer(), module(damaged, predict_split="train", batch_size=2))
    assert [len(ids) for ids in found] == [1, 1, *[2] * 12]
    assert len({id for ids in found for id in ids}) == 26


SCRIPT = """
    import json, sys
    import lightning as L
    from datamodules.kvq import KVQDataModule
    from datamodules.video.samplers import Uniform
    from datamodules.video.views.key_frames import KeyFrames
    sys.path.insert(0, {tests!r})
    from test_resume import Recorder

    views = {{"frames": KeyFrames(Uniform(2), 32)}}
    data = KVQDataModule(sys.argv[1], views, batch_size=3, num_workers=2, unreadable_share=0.1)
    trainer = L.Trainer(
        default_root_dir=sys.argv[2], accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=0,
        use_distributed_sampler=json.loads(sys.argv[3]),
    )
    model = Recorder()
    trainer.fit(model, data)
    with open(f"{{sys.argv[2]}}/rank{{trainer.global_rank}}.json", "w") as file:
        json.dump([model.seen, model.validated], file)
"""


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["true", "false"])
def test_two_ranks_share_every_epoch_whatever_the_trainer_does_to_samplers(damaged, tmp_path, sampler):
    import json
    import os

    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT.format(tests=str(Path(__file__).parent))))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, str(script), str(damaged), str(tmp_path), sampler]
    subprocess.run(arguments, check=True, env=environment, timeout=300, cwd=ROOT)
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]
    for epoch in range(2):
        seen = [[batch for batch in rank[0] if batch[0] == epoch] for rank in ranks]
        assert [len(batches) for batches in seen] == [4, 4]
        assert all(len(ids) == 3 for batches in seen for _, _, ids, _ in batches)
        validated = [id for rank in ranks for at, ids in rank[1] if at == epoch for id in ids]
        assert sorted(validated) == [f"val/{n:04d}.mp4" for n in range(1, 8)]
    listed = (tmp_path / "quarantine.csv").read_text().splitlines()
    assert len(listed) == len({line.split(",")[0] for line in listed})
