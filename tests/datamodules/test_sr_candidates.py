"""Stored candidates as batches: cut alike, paired by id, from makers that did not see them."""

import lightning as L
import numpy as np
import pytest
import torch

from datamodules.image.layout import Layout
from datamodules.kwaisr import KwaiSRDataModule
from datamodules.sr_candidates import SRCandidatesDataModule
from lightning_modules.nafusion import NAFusionTask
from models.sr.nafusion import NAFusion
from records.candidates import CandidateSet, read_candidates
from records.errors import UserError
from records.images import read_image, to_tensor, write_image
from tests.datamodules.stored_candidates import write_stored_candidates
from tests.tiny_kwaisr import write_tiny_kwaisr

TRAIN = [f"train/synthetic/lr/000{number}.png" for number in range(1, 5)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    work = tmp_path_factory.mktemp("candidates")
    write_tiny_kwaisr(work / "truth", size=64)
    write_stored_candidates(work / "a", work / "truth", "a", seen={TRAIN[0], TRAIN[1]})
    write_stored_candidates(work / "bb", work / "truth", "bb", seen={TRAIN[2], TRAIN[3]})
    write_stored_candidates(work / "ccc", work / "truth", "ccc", seen=set(TRAIN))
    return work


def module(kept, roots=("a",), **more):
    settings = {"crop": 32, "batch_size": 2, "num_workers": 0, "seed": 0, **more}
    return SRCandidatesDataModule([str(kept / root) for root in roots], str(kept / "truth"), **settings)


def test_a_training_batch_holds_one_window_of_all_four(kept):
    data = module(kept)
    data.setup("fit")
    batches = list(data.train_dataloader())
    assert len(batches) == 2 and sorted(id for batch in batches for id in batch["id"]) == TRAIN
    for batch in batches:
        assert batch["hr"].shape == batch["psnr"].shape == batch["per"].shape == (2, 3, 32, 32)
        assert batch["lr"].shape == (2, 3, 8, 8) and batch["lr"].dtype == torch.float32
        # The faithful candidate is its LR repeated, and the other is near it, however the window was laid down.
        torch.testing.assert_close(batch["psnr"], batch["lr"].repeat_interleave(4, 2).repeat_interleave(4, 3))
        assert 0.01 < (batch["per"] - batch["psnr"]).abs().mean() < 0.06
        assert (batch["hr"] - batch["psnr"]).abs().mean() < 0.15
        wrong = (batch["hr"] - batch["psnr"].flip(-1)).abs().mean()
        assert (batch["hr"] - batch["psnr"]).abs().mean() < wrong


def test_windows_are_a_function_of_seed_epoch_and_id(kept):
    def windows(seed, epoch, workers=0):
        data = module(kept, seed=seed, num_workers=workers)
        data.setup("fit")
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        return {id: hr for batch in loader for id, hr in zip(batch["id"], batch["hr"], strict=True)}

    first, again, other = windows(0, 0), windows(0, 0, workers=1), windows(0, 1)
    assert all(torch.equal(first[id], again[id]) for id in TRAIN)
    assert not all(torch.equal(first[id], other[id]) for id in TRAIN)
    assert not all(torch.equal(first[id], value) for id, value in windows(1, 0).items())


def test_an_evaluation_batch_is_one_whole_image(kept):
    data = module(kept, eval_domains=("synthetic", "wild"))
    data.setup("validate")
    batches = {batch["id"][0]: batch for batch in data.val_dataloader()}
    assert [batch["domain"] for batch in batches.values()].count(["wild"]) == 2 and len(batches) == 4
    one = batches["val/synthetic/lr/0001.png"]
    assert one["scale"] == 4 and one["lr"].shape == (1, 3, 16, 16) and one["content"] == one["id"]
    assert torch.equal(one["hr"][0], to_tensor(read_image(kept / "truth/val/synthetic/hr/0001.png")))
    assert torch.equal(one["per"][0], to_tensor(read_image(kept / "a/val/synthetic/per/0001.png")))
    wild = batches["val/wild/0001.png"]
    assert "hr" not in wild and wild["scale"] == 1 and wild["psnr"].shape == wild["lr"].shape
    assert len(module(kept).images("val")) == 2 and data.scale == 4
    everything = module(kept, predict_split="all").images("predict")
    assert len(everything) == 8 + 6 and len(module(kept, predict_domains=("wild",)).images("predict")) == 2


def test_every_image_is_taken_from_a_maker_that_did_not_see_it(kept):
    data = module(kept, roots=("ccc", "a", "bb"), exclude_seen=True)
    assert [image.maker for image in data.images("train")] == ["bb", "bb", "a", "a"]
    # What nobody saw comes from the folder that is named first.
    assert {image.maker for image in data.images("val")} == {"ccc"}
    assert data.split_hash != module(kept, roots=("a",)).split_hash
    one = module(kept, roots=("a",), exclude_seen=True)
    assert [image.id for image in one.images("train")] == TRAIN[2:]
    assert [image.id for image in module(kept, roots=("a",)).images("train")] == TRAIN
    with pytest.raises(UserError, match=r"no train images .*4 left out by exclude_seen"):
        module(kept, roots=("ccc",), exclude_seen=True).setup("fit")


def test_what_is_not_known_to_be_seen_is_not_excluded(kept, tmp_path):
    write_stored_candidates(tmp_path / "d", kept / "truth", "d")
    data = SRCandidatesDataModule([str(tmp_path / "d")], str(kept / "truth"), exclude_seen=True)
    assert [image.seen for image in data.images("train")] == [None] * 4


def test_wrong_folders_are_told_before_anything_is_read(kept, tmp_path):
    with pytest.raises(UserError, match="no folder of candidates"):
        SRCandidatesDataModule([], str(kept / "truth"))
    with pytest.raises(UserError, match=r"candidates\.json: no such file"):
        SRCandidatesDataModule([str(tmp_path)], str(kept / "truth")).setup("fit")
    with pytest.raises(UserError, match=r"30 is no multiple of scale 4.* give 32"):
        module(kept, crop=30).setup("fit")
    write_tiny_kwaisr(tmp_path / "other", train=1, val=1, test=1, size=64)
    with pytest.raises(UserError, match=r"candidates of train/synthetic/lr/0002\.png, which is not among"):
        SRCandidatesDataModule([str(kept / "a")], str(tmp_path / "other")).setup("fit")


def test_files_that_are_gone_or_of_another_size_are_told(kept, tmp_path):
    out = write_stored_candidates(tmp_path / "a", kept / "truth", "a")
    data = SRCandidatesDataModule([str(out)], str(kept / "truth"))
    path = out / "train/synthetic/per/0003.png"
    write_image(path, np.zeros((60, 64, 3), np.uint8))
    with pytest.raises(UserError, match=r"0003\.png: is 64x60 pixels, not 64x64 as was noted"):
        data.setup("fit")
    path.unlink()
    with pytest.raises(UserError, match=r"1 of 8 train candidates are gone, for example .*per/0003\.png"):
        data.setup("fit")


def test_a_candidate_that_cannot_be_read_is_passed_over(kept, tmp_path):
    out = write_stored_candidates(tmp_path / "a", kept / "truth", "a")
    (out / "val/synthetic/psnr/0001.png").write_bytes(b"torn")
    data = SRCandidatesDataModule([str(out)], str(kept / "truth"), num_workers=0)
    data.setup("validate")
    assert [batch["id"] for batch in data.val_dataloader()] == [[], ["val/synthetic/lr/0002.png"]]
    assert data.unreadable("val") == {"val/synthetic/lr/0001.png"}


def test_the_fusion_task_takes_its_batches(kept, tmp_path):
    task = NAFusionTask(NAFusion("S", lr=True), None)
    trainer = L.Trainer(
        default_root_dir=tmp_path, accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(task, datamodule=module(kept, roots=("a", "bb")))
    assert trainer.global_step == 2 and len(task.score_rows("val")) == 2
    assert {"l1", "l1_psnr", "l1_per", "l1_blend", "psnr", "ssim"} == task.score_rows("val")[0].values.keys()


def test_candidates_json_is_read_as_it_was_written(kept):
    found = read_candidates(kept / "a")
    assert isinstance(found, CandidateSet) and found.maker == {"checkpoint": "a", "settings": "s"}
    assert [image.id for image in found.images if image.seen] == TRAIN[:2] and found.images[0].size == (64, 64)


def test_the_folds_of_a_cross_fit_leave_out_every_content_once(kept, tmp_path):
    root = str(write_tiny_kwaisr(tmp_path / "truth", train=9, size=32))
    whole = KwaiSRDataModule(root)
    everything = {image.id for image in whole.images("train")}
    parts = [{image.id for image in KwaiSRDataModule(root, fold=fold).images("train")} for fold in (0, 1)]
    assert len(everything) == 9 and parts[0] | parts[1] == everything and not parts[0] & parts[1]
    assert 0 < len(parts[0]) < 9
    # What is left out is still predicted, and belongs to its split.
    held_out = KwaiSRDataModule(root, fold=0, predict_split="train", predict_domains=("synthetic",))
    assert {image.id for image in held_out.images("predict")} == everything
    assert held_out.split_of("train/synthetic/lr/0001.png") == "train" and held_out.split_of("x.png") == "predict"
    assert held_out.split_hash != whole.split_hash
    one = KwaiSRDataModule(root, fold=0, layout=Layout(content="(0)[0-9]+"))
    assert len(one.images("train")) in (0, 9)
    with pytest.raises(UserError, match=r"fold: 2 is out of range"):
        KwaiSRDataModule(root, fold=2)
    with pytest.raises(UserError, match=r"hr_folders: .*give \[\] with a fold"):
        KwaiSRDataModule(root, fold=0, hr_folders=[root])
