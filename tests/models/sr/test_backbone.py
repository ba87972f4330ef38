import json
import shutil

import pytest
import torch

from models.sr.backbone import DiffusionBackbone
from models.sr.base_folder import KEY
from models.sr.one_step import OneStepSR
from models.sr.patch_autoencoder import PatchAutoencoder
from models.sr.prompts import TagTable
from tests.models.sr.base_folders import TOKENS, WIDTH, write_base, write_text_encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


def test_a_base_without_files_is_always_the_same_and_leaves_the_random_state_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = DiffusionBackbone()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    second = DiffusionBackbone()
    assert first.facts() == second.facts()
    assert first.weights_hash() is not None
    assert not any(weight.requires_grad for weight in first.parameters())


def test_latents_are_scaled_by_the_configured_factor_and_back(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    settings = json.loads((folder / "vae" / "config.json").read_text())
    (tmp_path / "other" / "vae" / "config.json").write_text(json.dumps({**settings, "scaling_factor": 0.5}))
    usual, other = DiffusionBackbone(str(folder)).eval(), DiffusionBackbone(str(tmp_path / "other")).eval()
    x = torch.rand(2, 3, 40, 64) * 2 - 1
    with torch.no_grad():
        z, z_other = usual.encode(x), other.encode(x)
        assert z.shape == (2, 4, 5, 8)
        torch.testing.assert_close(z / 0.18215, z_other / 0.5)
        assert torch.equal(z, usual.encode(x))  # the mode of the posterior, not a draw
        torch.testing.assert_close(usual.decode(z), other.decode(z_other))
    assert usual.facts()["weights_sha256"] == other.facts()["weights_sha256"]
    assert usual.facts()["config_sha256"] != other.facts()["config_sha256"]


def test_the_posterior_is_drawn_in_training_alone_and_only_where_asked_for():
    x = torch.rand(1, 3, 16, 16)
    drawing, steady = DiffusionBackbone(sample_posterior=True), DiffusionBackbone()
    with torch.no_grad():
        assert not torch.equal(drawing.encode(x), drawing.encode(x))
        assert torch.equal(steady.encode(x), steady.encode(x))
        drawing.eval()
        assert torch.equal(drawing.encode(x), drawing.encode(x))


def test_the_schedule_is_that_of_stable_diffusion():
    alphas = DiffusionBackbone().alphas
    assert alphas.shape == (1000,)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64).square()
    torch.testing.assert_close(alphas.double(), (1 - betas).cumprod(0), rtol=1e-4, atol=1e-6)


def test_a_base_that_predicts_velocity_is_refused(tmp_path):
    with pytest.raises(ValueError, match="predicts v_prediction"):
        DiffusionBackbone(str(write_base(tmp_path / "base", prediction="v_prediction")))


@pytest.mark.parametrize(
    "piece",
    [
        "vae/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "scheduler/scheduler_config.json",
        "prompts.safetensors",
    ],
)
def test_a_missing_piece_is_named_with_the_key_that_mends_it(folder, tmp_path, piece):
    shutil.copytree(folder, tmp_path / "base")
    (tmp_path / "base" / piece).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        DiffusionBackbone(str(tmp_path / "base"))
    told = str(caught.value)
    assert piece.partition(".")[0] in told and KEY in told and "\n" not in told


@pytest.mark.parametrize("name", ["package:no-such-base", "/no/such/folder", "someone/no-such-base"])
def test_a_base_that_is_nowhere_is_one_sentence(name, monkeypatch):
    import huggingface_hub

    def no_network(*_, **__):
        raise ConnectionError("first line\nsecond line")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", no_network)
    with pytest.raises(FileNotFoundError) as caught:
        DiffusionBackbone(name)
    told = str(caught.value)
    assert name in told and KEY in told and "\n" not in told


def test_files_give_the_networks_that_were_saved(folder):
    first = DiffusionBackbone(str(folder), dtype="bfloat16")
    assert first.unet.conv_in.weight.dtype == first.vae.dtype == torch.bfloat16
    exact = DiffusionBackbone(str(folder))
    assert first.facts() == exact.facts()  # precision in memory is not what a base is
    z, t = torch.randn(2, 4, 8, 8), torch.tensor([1, 300])
    with torch.no_grad():
        rounded, noise = (base.noise_in(z, t, base.prompt("positive")) for base in (first, exact))
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - noise).abs().max() < 0.1 * noise.abs().max()


def test_the_class_of_the_autoencoder_is_the_one_its_folder_names(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "base")
    shutil.rmtree(tmp_path / "base" / "vae")
    PatchAutoencoder(latent_channels=4, width=8, scaling_factor=0.7).save_pretrained(tmp_path / "base" / "vae")
    base = DiffusionBackbone(str(tmp_path / "base"), checkpointing=True)
    assert isinstance(base.vae, PatchAutoencoder)
    assert base.factor == base.multiple == 4
    x = torch.rand(1, 3, 12, 8)
    torch.testing.assert_close(base.encode(x), base.vae.encode(x).latent_dist.mode() * 0.7)
    PatchAutoencoder(latent_channels=12, width=8).save_pretrained(tmp_path / "base" / "vae")
    with pytest.raises(ValueError, match="takes 4 channels, its VAE makes 12"):
        DiffusionBackbone(str(tmp_path / "base"))


def test_stored_prompts_are_what_the_folder_holds(folder):
    base = DiffusionBackbone(str(folder))
    assert base.prompt("empty").shape == (1, TOKENS, WIDTH)
    assert not torch.equal(base.prompt("positive"), base.prompt("negative"))
    assert not any("prompt" in key or "alphas" in key for key in base.state_dict())
    with pytest.raises(ValueError, match="text_encoder"):
        DiffusionBackbone(str(folder), positive="sharp")


def test_words_go_through_the_text_encoder_once(tmp_path):
    folder = str(write_base(tmp_path / "base", prompts=False))
    base, other = DiffusionBackbone(folder), DiffusionBackbone(folder, positive="other words")
    assert base.prompt("positive").shape == (1, TOKENS, WIDTH)
    assert torch.equal(base.prompt("empty"), other.prompt("empty"))
    assert not torch.equal(base.prompt("positive"), other.prompt("positive"))
    assert base.facts()["prompts_sha256"] != other.facts()["prompts_sha256"]
    assert not any("text" in name for name, _ in base.named_modules())


def test_tags_are_embedded_once_and_refused_under_another_encoder(tmp_path):
    folder = write_base(tmp_path / "base", prompts=False)
    base = DiffusionBackbone(str(folder))
    tags, table = tmp_path / "tags.csv", tmp_path / "tags.safetensors"
    tags.write_text('filename,tags\na/1.png,"dog, grass"\na/2.png,sky\na/3.png,"dog, grass"\n')
    assert TagTable.build(tags, folder, table) == 2
    rows = TagTable(table, base.encoder_id).rows(["a/3.png", "a/2.png", "a/1.png"])
    assert rows.shape == (3, TOKENS, WIDTH) and torch.equal(rows[0], rows[2])
    words = DiffusionBackbone(str(folder), positive="sky").prompt("positive")[0]
    torch.testing.assert_close(rows[1], words, rtol=1e-3, atol=2e-3)
    with tags.open("a") as file:
        file.write("a/4.png,sea\n")
    assert TagTable.build(tags, folder, table) == 1
    assert len(TagTable(table, base.encoder_id)) == 4
    with pytest.raises(KeyError, match="no tags of b"):
        TagTable(table, base.encoder_id).rows(["b.png"])
    write_text_encoder(tmp_path / "other", seed=4)
    shutil.rmtree(folder / "text_encoder")
    shutil.move(tmp_path / "other" / "text_encoder", folder / "text_encoder")
    with pytest.raises(ValueError, match="another text encoder"):
        TagTable(table, DiffusionBackbone(str(folder)).encoder_id)


@pytest.mark.slow
def test_stable_diffusion_has_its_size_and_its_adapters_theirs():
    with torch.device("meta"):
        base = DiffusionBackbone(shape="sd21")
        assert sum(weight.numel() for weight in base.unet.parameters()) == 865_910_724
        assert sum(weight.numel() for weight in base.vae.parameters()) == 83_653_863
        model = OneStepSR(base)
    assert base.weights_hash() is None
    sizes = [sum(weight.numel() for weight in state.values()) for state in model.adapter_state().values()]
    assert sizes == [4_055_712, 4_055_712]  # 15.5 MiB in float32
    x = torch.empty(1, 3, 512, 512, device="meta")
    assert model(x).shape == x.shape
