"""Exported adapters are read by diffusers alone, and are those of the best checkpoint."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from safetensors.torch import load_file

from callbacks.adapter_export import AdapterExport
from models.sr.backbone import DiffusionBackbone
from records.errors import UserError
from tests.lightning_modules.two_stages import Pairs, task, trainer

torch.set_num_threads(1)


@pytest.mark.slow
def test_diffusers_reads_the_best_weights(tmp_path):
    model = task("semantic", pixel_adapter=False, csd=0.0)
    # The first epoch is called the best; training goes on and changes the weights.
    model.figures_of = lambda batch, restored: {"psnr": -float(model.current_epoch)}
    best = ModelCheckpoint(tmp_path, "best", monitor="val/psnr", mode="max")
    export = AdapterExport()
    fit = trainer(tmp_path, max_epochs=2, callbacks=[export, best], limit_val_batches=1, enable_checkpointing=True)
    fit.fit(model, Pairs())
    files = sorted(path.name for path in (tmp_path / "adapters").iterdir())
    assert files == ["semantic.safetensors"] and "semantic" in export.told["adapters"]

    kept = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    stored = load_file(tmp_path / "adapters/semantic.safetensors")
    for key, value in stored.items():
        name = f"network.backbone.unet.{key.removesuffix('.weight')}.semantic.weight"
        assert torch.equal(value, kept[name])
    ended = model.state_dict()
    assert any(not torch.equal(kept[name], ended[name]) for name in kept if ".semantic." in name)

    # The base of stock classes and the file alone: the same noise as ours with the best weights.
    model.load_state_dict(kept)
    plain = DiffusionBackbone(shape="tiny").unet
    plain.load_lora_adapter(str(tmp_path / "adapters/semantic.safetensors"), adapter_name="semantic", prefix=None)
    latent, times = torch.randn(1, 4, 4, 4), torch.tensor([1])
    text = model.network.backbone.prompt("positive")
    with torch.no_grad():
        theirs = plain(latent, times, text).sample
        ours = model.network.backbone.noise_in(latent, times, text)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_model_without_adapters_is_refused_before_it_trains(tmp_path):
    class Plain(L.LightningModule):
        pass

    with pytest.raises(UserError, match="Plain trains no adapter"):
        AdapterExport().setup(None, Plain(), "fit")
