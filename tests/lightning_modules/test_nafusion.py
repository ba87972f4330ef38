"""The fusion's rule: its loss, what it is compared with, and that training beats both candidates."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from callbacks.ema import EMA
from lightning_modules.nafusion import SHARES, NAFusionTask
from losses.ssim import ssim_loss
from models.sr.blend import Blend
from models.sr.nafusion import NAFusion
from models.sr.wavelet import low_band
from records.errors import CheckFailed, UserError


class Distance(nn.Module):
    name = "st-lpips-test"

    def forward(self, x, y):
        return (x - y).flatten(1).square().mean(1)


def rows(count, height=24, width=24, seed=0):
    """Truths with texture on one side; the faithful candidate lacks it, the perceptual one adds noise to the other."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for place in range(count):
        noise = torch.rand(1, 3, height, width, generator=generator)
        right = (torch.arange(width) >= width // 2).float()
        smooth = low_band(noise, 3)
        truth = right * noise + (1 - right) * smooth
        added = (1 - right) * 0.25 * torch.randn(noise.shape, generator=generator)
        eight = {"psnr": smooth, "per": truth + added, "hr": truth}
        eight = {name: value.clamp(0, 1).mul(255).round().div(255) for name, value in eight.items()}
        lr = nn.functional.avg_pool2d(truth, 2)
        found.append({"id": [f"val/{place}.png"], "lr": lr, **eight, "domain": ["synthetic"], "scale": 2})
    return found


def crops(found):
    names = ("psnr", "per", "hr", "lr")
    return {"id": [row["id"][0] for row in found], **{name: torch.cat([row[name] for row in found]) for name in names}}


def loader(batches):
    return DataLoader(batches, batch_size=None)


def trainer(folder, *callbacks, epochs=1):
    return L.Trainer(
        default_root_dir=folder, accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, callbacks=list(callbacks),
    )  # fmt: skip


def test_the_loss_is_the_weighted_sum_of_its_terms():
    task = NAFusionTask(NAFusion("S"), Distance(), l1=2.0, ssim=0.3, perceptual_weight=0.5)
    task.log_dict = lambda values, **more: logged.update(values)
    batch, logged = crops(rows(2)), {}
    fused, truth = task.fuse(batch), batch["hr"]
    terms = [(fused - truth).abs().mean(), ssim_loss(fused, truth), (fused - truth).square().mean()]
    loss = task.training_step(batch, 0)
    torch.testing.assert_close(loss, 2.0 * terms[0] + 0.3 * terms[1] + 0.5 * terms[2])
    assert logged.keys() == {"train/loss", "train/l1", "train/ssim_loss", "train/st-lpips-test"}


def test_no_perceptual_distance_must_be_chosen_and_is_said():
    with pytest.raises(TypeError, match="perceptual"):
        NAFusionTask(NAFusion("S"))
    without, with_one = NAFusionTask(NAFusion("S"), None), NAFusionTask(NAFusion("S"), Distance())
    assert without.figures == {"perceptual": "none"} and "none" in without.told["perceptual"]
    assert with_one.figures == {"perceptual": "st-lpips-test"} and not with_one.told
    with pytest.raises(ValueError, match="one must count"):
        NAFusionTask(NAFusion("S"), None, l1=0, ssim=0)
    with pytest.raises(ValueError, match="not be negative"):
        NAFusionTask(NAFusion("S"), None, l1=-1)


def test_before_training_the_result_stands_between_the_candidates_and_beside_them_in_the_figures(tmp_path):
    task, found = NAFusionTask(NAFusion("S"), Distance()), rows(3)
    values = trainer(tmp_path).validate(task, loader([*found, {"id": []}]), verbose=False)[0]
    errors = {name: [float((row[name] - row["hr"]).abs().mean()) for row in found] for name in ("psnr", "per")}
    for name, each in errors.items():
        assert values[f"val/l1_{name}"] == pytest.approx(sum(each) / 3, rel=1e-4)
    low, high = sorted((values["val/l1_psnr"], values["val/l1_per"]))
    assert low < values["val/l1"] < high
    assert {"val/psnr", "val/ssim", "val/st-lpips-test"} < values.keys()
    assert task.monitor == "val/l1" and task.mode == "min"


def test_the_best_blend_is_sought_over_all_images(tmp_path):
    task, found = NAFusionTask(Blend(0.3), None), rows(2)
    # One image wants the faithful candidate and one the perceptual one; together they want something between.
    found[0]["hr"], found[1]["hr"] = found[0]["psnr"].lerp(found[0]["per"], 0.2), found[1]["per"]
    values = trainer(tmp_path).validate(task, loader(found), verbose=False)[0]
    share = values["val/blend_share"]
    assert min(abs(share - known) for known in SHARES) < 1e-6 and 0.2 < share < 1
    assert values["val/l1_blend"] <= min(values["val/l1"], values["val/l1_psnr"], values["val/l1_per"])
    every = {row.id: row.values for row in task.score_rows("val")}
    assert sum(row["l1_blend"] for row in every.values()) / 2 == pytest.approx(values["val/l1_blend"])
    tested = trainer(tmp_path).test(task, loader(found), verbose=False)[0]
    assert tested["test/l1_blend"] == pytest.approx(values["val/l1_blend"])


def test_what_has_no_weights_is_scored_but_not_trained(tmp_path):
    task = NAFusionTask(Blend(), None)
    assert not task.needs_checkpoint and NAFusionTask(NAFusion("S"), None).needs_checkpoint
    with pytest.raises(UserError, match="Blend has nothing to train"):
        trainer(tmp_path).fit(task, loader([crops(rows(1))]), loader(rows(1)))


def test_training_beats_both_candidates_and_every_blend_on_images_not_seen(tmp_path):
    torch.manual_seed(0)
    task = NAFusionTask(
        NAFusion("S", lr=True), Distance(), optimizer=lambda groups: torch.optim.AdamW(groups, lr=3e-3, weight_decay=0)
    )
    batches = [crops(rows(2, seed=seed)) for seed in range(60)]
    trainer(tmp_path, EMA(0.8)).fit(task, loader(batches), loader(rows(2, 26, 30, seed=100)))
    values = {name: float(value) for name, value in task.trainer.callback_metrics.items() if name.startswith("val/")}
    assert values["val/l1"] < 0.8 * values["val/l1_blend"] <= 0.8 * min(values["val/l1_psnr"], values["val/l1_per"])


def test_predict_gives_the_fused_image_in_range():
    task, row = NAFusionTask(NAFusion("S"), None), rows(1)[0]
    nn.init.constant_(task.network.leave.bias, 5.0)
    out = task.predict_step(row, 0)
    assert out["id"] == row["id"] and out["sr"].shape == row["hr"].shape and float(out["sr"].detach().max()) == 1
    assert task.predict_step({"id": []}, 0) == {"id": []}


class Hungry(Blend):
    """A constant blend without memory for more than some pixels."""

    def __init__(self, most):
        super().__init__(0.25)
        self.most = most

    def forward(self, i_psnr, i_per, lr=None):
        if i_psnr.shape[-1] * i_psnr.shape[-2] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(i_psnr, i_per, lr)


def test_an_image_that_memory_does_not_hold_is_fused_in_tiles_and_that_is_said():
    row = rows(1, 160, 200)[0]
    task = NAFusionTask(Hungry(100 * 100), None)
    with pytest.warns(UserWarning, match="out of memory: tiles of the fusion from"):
        out = task.predict_step(row, 0)["sr"]
    torch.testing.assert_close(out, row["psnr"].lerp(row["per"], 0.25), atol=1e-6, rtol=0)
    with pytest.raises(CheckFailed, match=r"val/0\.png: out of memory with the smallest tiles of the fusion"):
        NAFusionTask(Hungry(64 * 64), None).predict_step(row, 0)
