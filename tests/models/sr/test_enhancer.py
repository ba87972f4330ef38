"""Any size in, the exact size out; tiles shrink with memory; what comes out does not depend on how it was cut."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from models.memory import is_out_of_memory
from models.sr import tile_runner
from models.sr.backbone import DiffusionBackbone
from models.sr.baselines import Bicubic, Lanczos
from models.sr.colour_fix import ColourFix
from models.sr.enhancer import Enhancer, reflected
from models.sr.group_norm_stats import held_statistics
from models.sr.one_step import OneStepSR
from models.sr.resample import upsample
from models.sr.tile_runner import Tiles
from models.sr.tile_size import fitting_side, free_bytes, peak_bytes

torch.set_num_threads(1)
SMALL = Tiles(latent=16, encoder=128, decoder=16, pixels=64, whole=0)
WHOLE = {"tile": 0, "overlap": 0}


class Patches(nn.Module):
    """The interface of OneStepSR without a diffusion: 4x4 patches as latents, and guidances that only add."""

    factor = multiple = 4

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        # Latents of a call from which on memory runs out.
        self.limit = limit

    def encode(self, x: Tensor) -> Tensor:
        assert x.min() >= -1 and x.shape[-1] % 4 == 0 == x.shape[-2] % 4
        return pixel_unshuffle(x, 4)

    def restore_latent(self, z: Tensor, pix: float = 1.0, sem: float = 1.0) -> Tensor:
        if self.limit and z.shape[-1] * z.shape[-2] > self.limit:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return z + 0.02 * pix - 0.04 * sem

    def decode(self, z: Tensor) -> Tensor:
        return pixel_shuffle(z, 4).clamp(-1, 1)


class Mean(nn.Module):
    """A fusion that shrinks by 8 and minds being out of step."""

    multiple = 8

    def forward(self, i_psnr: Tensor, i_per: Tensor, lr: Tensor) -> Tensor:
        assert i_psnr.shape == i_per.shape == lr.shape and i_psnr.shape[-1] % 8 == 0 == i_psnr.shape[-2] % 8
        return (i_psnr + i_per) / 2


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height)).mul(0.4).add(0.3)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (31, 29), (19, 61)])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_size_is_exact_and_nothing_is_shifted(size, scale):
    lr = picture(*size)
    for tiles in (Tiles(), SMALL):
        enhancer = Enhancer(Patches(), Mean(), tiles)
        wanted = upsample(lr, scale)
        torch.testing.assert_close(enhancer.restore(lr, scale, 0, 0), wanted, atol=1e-6, rtol=0)
        faithful, perceptual = enhancer.candidates(lr, scale)
        torch.testing.assert_close(faithful, (wanted + 0.01).clamp(0, 1), atol=1e-6, rtol=0)
        torch.testing.assert_close(perceptual, (wanted - 0.01).clamp(0, 1), atol=1e-6, rtol=0)
        torch.testing.assert_close(enhancer.fused(lr, scale), (faithful + perceptual) / 2, atol=1e-6, rtol=0)


def test_small_pictures_are_not_cut_and_large_ones_are_everywhere():
    enhancer = Enhancer(Patches(), Mean(), SMALL)
    enhancer.fused(picture(40, 40), 4)
    tile = {"encoder": (128, 16), "unet": (16, 8), "decoder": (16, 8), "fusion": (64, 8)}
    assert enhancer.used == {name: {"tile": side, "overlap": over} for name, (side, over) in tile.items()}
    enhancer = Enhancer(Patches(), Mean())
    enhancer.fused(picture(40, 40), 4)
    assert enhancer.used == dict.fromkeys(tile, WHOLE) and enhancer.notes == []


def test_whole_pictures_are_those_of_the_network_bit_for_bit():
    torch.manual_seed(0)
    network = OneStepSR(DiffusionBackbone(), rank_pixel=2, rank_semantic=2).eval()
    for name, weight in network.named_parameters():
        if ".lora_B." in name:
            nn.init.normal_(weight, std=0.05)
    lr = picture(16, 24)
    with torch.no_grad():
        enhancer = Enhancer(network)
        assert torch.equal(enhancer.restore(lr, 4, 1.0, 0.5), network(upsample(lr, 4), 1.0, 0.5))
        faithful, perceptual = enhancer.candidates(lr, 4)
        assert torch.equal(faithful, network(upsample(lr, 4), 1.0, 0.0))
        assert torch.equal(perceptual, network(upsample(lr, 4)))
        # In tiles of the UNet, its norms and attention see other statistics: near (with random weights and the smallest
        # tiles within 0.6 of the deviation), and not equal.
        cut = Enhancer(network, tiles=Tiles(latent=16)).restore(picture(64, 40), 4)
        whole = Enhancer(network).restore(picture(64, 40), 4)
    assert 0 < (cut - whole).abs().mean() / whole.std() < 0.8


def test_the_colour_fix_is_applied_once_to_the_whole_picture():
    lr = picture(40, 40)
    fixed = Enhancer(Patches(), tiles=SMALL, colour=ColourFix("wavelet")).restore(lr, 4)
    assert (fixed - upsample(lr, 4)).abs().max() < 1e-5  # without it the result is 0.01 darker
    faithful, perceptual = Enhancer(Patches(), colour=ColourFix("adain")).candidates(lr, 4)
    torch.testing.assert_close(faithful, perceptual, atol=1e-4, rtol=0)


def test_tiles_shrink_after_memory_ran_out_and_stay_small():
    enhancer = Enhancer(Patches(limit=40 * 40), tiles=Tiles(latent=96))
    lr = picture(100, 90)
    torch.testing.assert_close(enhancer.restore(lr, 4, 0, 0), upsample(lr, 4), atol=1e-6, rtol=0)
    assert enhancer.notes == [f"out of memory: tiles of the unet from {a} to {b}" for a, b in ((96, 48), (48, 24))]
    assert enhancer.used["unet"] == {"tile": 24, "overlap": 8}
    enhancer.restore(lr, 4)
    assert len(enhancer.notes) == 2
    with pytest.raises(MemoryError, match="smallest tiles of the unet, 16"):
        Enhancer(Patches(limit=100), tiles=Tiles(latent=64)).restore(lr, 4)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    class Broken(Patches):
        def restore_latent(self, z: Tensor, pix: float = 1.0, sem: float = 1.0) -> Tensor:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        Enhancer(Broken(), tiles=SMALL).restore(picture(8, 8), 4)
    assert is_out_of_memory(torch.OutOfMemoryError("x")) and is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried")) and not is_out_of_memory(
        ValueError("out of memory")
    )


def test_little_free_memory_makes_tiles_smaller_and_is_noted(monkeypatch):
    lr = picture(100, 90)
    needed = peak_bytes(Patches().restore_latent, torch.zeros(1, 48, 16, 16)) / 256
    monkeypatch.setattr(tile_runner, "free_bytes", lambda device: 2 * needed * 32 * 32)
    enhancer = Enhancer(Patches())
    torch.testing.assert_close(enhancer.restore(lr, 4, 0, 0), upsample(lr, 4), atol=1e-6, rtol=0)
    assert enhancer.used["unet"]["tile"] == 32
    assert "free memory allows the unet tiles of 32" in enhancer.notes


def test_memory_is_counted_as_it_is_taken_and_given_back():
    x = torch.zeros(1, 1, 256, 256)
    size = x.numel() * 4
    weight = torch.zeros(512, 256)
    assert peak_bytes(lambda x: x + 1, x) == size
    assert peak_bytes(lambda x: ((x + 1) + 1) + 1, x) == 2 * size  # the first is gone before the third comes
    assert peak_bytes(lambda x: x.view(-1)[:10], x) == 0
    assert peak_bytes(lambda x: x[0, 0] @ weight.t(), x) == 256 * 512 * 4
    assert free_bytes(torch.device("cpu")) > 2**20


def test_the_largest_tile_that_fits_is_chosen():
    assert fitting_side(1000, 1000, 10, 10 * 64 * 64, 96, 16) == 64
    assert fitting_side(1000, 1000, 10, 10 * 64 * 64 - 1, 96, 16) == 56
    assert fitting_side(1000, 16, 10, 10 * 64 * 16, 96, 16) == 64  # a narrow picture has narrow tiles
    assert fitting_side(1000, 1000, 10, 1, 96, 16) == 16


def test_held_statistics_make_tiles_agree_and_leave_no_hook():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 3, 1))
    x = torch.rand(2, 3, 32, 32) * torch.linspace(0, 1, 32)
    with torch.no_grad():
        whole = network(x)
        own = torch.cat([network(x[..., :16]), network(x[..., 16:])], -1)
        with held_statistics(network, lambda: network(x)):
            held = torch.cat([network(x[..., :16]), network(x[..., 16:])], -1)
            pair = network(torch.cat([x[..., :16], x[..., 16:]]))
        after = network(x)
    assert (own - whole).abs().max() > 0.05
    torch.testing.assert_close(held, whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cat(pair.split(2), -1), whole, atol=1e-5, rtol=0)
    assert torch.equal(after, whole)


def test_global_statistics_bring_tiles_of_a_vae_nearer_to_the_whole():
    network = OneStepSR(DiffusionBackbone(), rank_pixel=1, rank_semantic=1).eval()
    lr = upsample(picture(6, 6), 8) * torch.linspace(0.2, 1, 48)
    whole = Enhancer(network).restore(lr, 4, 0, 0)
    errors = {}
    for kind in ("tile", "global"):
        tiles = Tiles(encoder=128, decoder=1000, whole=0, groupnorm_stats=kind)
        errors[kind] = float((Enhancer(network, tiles=tiles).restore(lr, 4, 0, 0) - whole).abs().mean())
    assert errors["global"] < 0.9 * errors["tile"]


def test_plain_networks_and_interpolation_need_no_latents():
    class Twice(nn.Module):
        def forward(self, lr: Tensor, scale: int) -> Tensor:
            assert max(lr.shape[-2:]) <= 64
            return lr.repeat_interleave(scale, 2).repeat_interleave(scale, 3)

    lr = picture(150, 40)
    enhancer = Enhancer(Twice(), tiles=Tiles(pixels=64, whole=0))
    torch.testing.assert_close(
        enhancer.restore(lr, 2), lr.repeat_interleave(2, 2).repeat_interleave(2, 3), atol=1e-6, rtol=0
    )
    assert enhancer.used["network"]["tile"] == 64
    assert torch.equal(Enhancer(None).restore(lr, 4), upsample(lr, 4))
    assert torch.equal(Enhancer(Bicubic()).restore(lr, 4), upsample(lr, 4))
    lanczos = Enhancer(Lanczos()).restore(lr, 3)
    assert lanczos.shape == (1, 3, 450, 120) and 1e-3 < (lanczos - upsample(lr, 3)).abs().max() < 0.3
    assert torch.equal(Enhancer(Lanczos()).restore(lr, 1), lr)
    with pytest.raises(ValueError, match="two candidates"):
        enhancer.candidates(lr, 2)
    with pytest.raises(ValueError, match="no fusion"):
        Enhancer(Patches()).fused(lr, 2)


def test_the_border_is_mirrored_as_often_as_needed():
    x = torch.arange(3.0).reshape(1, 1, 1, 3)
    assert reflected(x, 8).flatten().tolist()[:8] == [0, 1, 2, 1, 0, 1, 2, 1] and reflected(x, 8).shape[-2] == 8
    y = torch.rand(1, 1, 6, 5)
    assert torch.equal(reflected(y, 4), nn.functional.pad(y, (0, 3, 0, 2), mode="reflect"))


def test_wrong_tiles_are_refused():
    for wrong in ({"latent": 8}, {"decoder": 4}, {"overlap": 0.6}, {"batch": 0}):
        with pytest.raises(ValueError, match="tiles"):
            Tiles(**wrong)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_restores_like_the_cpu():
    network = OneStepSR(DiffusionBackbone(), rank_pixel=1, rank_semantic=1).eval()
    lr = picture(20, 30)
    wanted = Enhancer(network).restore(lr, 4)
    assert free_bytes(torch.device("cuda")) > 2**20
    torch.testing.assert_close(Enhancer(network.cuda()).restore(lr.cuda(), 4).cpu(), wanted, atol=5e-3, rtol=0)
