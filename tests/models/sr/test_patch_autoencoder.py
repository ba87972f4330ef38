import pytest
import torch

from models.sr.patch_autoencoder import PatchAutoencoder


def correlated(count: int = 4, side: int = 32) -> torch.Tensor:
    noise = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)


def error(network: PatchAutoencoder, x: torch.Tensor) -> float:
    return float((network.decode(network.encode(x).latent_dist.mode()).sample - x).pow(2).mean())


@pytest.mark.parametrize("channels", [4, 12, 48])
def test_begins_at_the_principal_components(channels: int) -> None:
    network, x = PatchAutoencoder(channels), correlated()
    promised = network.begin_linear(x)
    with torch.no_grad():
        assert error(network, x) == pytest.approx(promised, rel=1e-3, abs=1e-9)
        z = network.encode(x).latent_dist.mode()
    assert z.shape == (4, channels, 8, 8)
    assert z.mean((0, 2, 3)).abs().max() < 1e-3 and (z.var((0, 2, 3), unbiased=False) - 1).abs().max() < 1e-2
    # No other linear code of as many channels does better than the numbers of numpy say.
    patches = network.unshuffle(x).permute(0, 2, 3, 1).reshape(-1, 48).double()
    left = torch.linalg.svdvals(patches - patches.mean(0))[channels:].pow(2).sum() / patches.numel()
    assert promised == pytest.approx(float(left), rel=1e-6, abs=1e-12)


def test_a_saved_one_is_the_same(tmp_path) -> None:
    network, x = PatchAutoencoder(8, width=16), correlated()
    network.begin_linear(x)
    torch.nn.init.normal_(network.decoder.leave.weight)
    network.register_to_config(scaling_factor=1.25)
    network.save_pretrained(tmp_path)
    assert (tmp_path / "diffusion_pytorch_model.safetensors").is_file()
    again = PatchAutoencoder.from_pretrained(tmp_path)
    assert again.config.scaling_factor == 1.25
    with torch.no_grad():
        assert torch.equal(again.encode(x).latent_dist.mode(), network.encode(x).latent_dist.mode())
        z = network.encode(x).latent_dist.mode()
        assert torch.equal(again.decode(z).sample, network.decode(z).sample)
        # A Gaussian of no width: a draw is the mode.
        assert torch.allclose(network.encode(x).latent_dist.sample(), z, atol=1e-5)


def test_tiles_of_whole_patches_agree_inside() -> None:
    network, x = PatchAutoencoder(8, width=16, encoder_blocks=1, decoder_blocks=1), correlated(1, 128)
    with torch.no_grad():
        whole = network.encode(x).latent_dist.mode()
        part = network.encode(x[..., 32:]).latent_dist.mode()
    # Receptive field: four 3x3 convolutions.
    assert (whole[..., 8 + 4 :] - part[..., 4:]).abs().max() < 1e-5
