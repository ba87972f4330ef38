"""Trunks of timm on frames: normalisation, pooling, sizes, gradients."""

import pytest
import timm
import torch

from metrics.macs import count_macs
from models.vqa.timm_frames import TimmFrames

torch.set_num_threads(1)


def frames(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def meta(**options) -> TimmFrames:
    with torch.device("meta"):
        return TimmFrames(**options)


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "mobilenetv3_small_050"])
def test_tokens_are_the_trunks_features_of_frames_normalised_as_published(name: str) -> None:
    size = 160 if name == "test_vit" else 64
    branch = TimmFrames(name).eval()
    view = frames(2, 3, 3, size, size)
    config = timm.get_pretrained_cfg(name)
    mean, sd = (torch.tensor(values).view(3, 1, 1) for values in (config.mean, config.std))
    with torch.no_grad():
        wanted = branch.trunk((view.flatten(0, 1) / 255 - mean) / sd)
        tokens = branch(view)
        assert torch.equal(branch(view.float()), tokens)
    assert tokens.shape == (2, 3, branch.width)
    torch.testing.assert_close(tokens.flatten(0, 1), wanted, atol=1e-5, rtol=1e-4)


def test_a_view_is_not_changed() -> None:
    view = frames(1, 1, 3, 64, 64).float()
    before = view.clone()
    TimmFrames("test_efficientnet").eval()(view)
    assert torch.equal(view, before)


def test_avg_std_adds_the_deviation_over_space() -> None:
    plain, both = TimmFrames("test_efficientnet").eval(), TimmFrames("test_efficientnet", pool="avg_std").eval()
    both.load_state_dict(plain.state_dict())
    view = frames(1, 2, 3, 96, 96)
    with torch.no_grad():
        maps = plain.trunk.forward_features((view[0] - plain.mean) / plain.sd)
        first, second = both(view).split(plain.width, dim=-1)
        assert torch.equal(first, plain(view))
    torch.testing.assert_close(second[0], (maps.var((2, 3), correction=0) + 1e-6).sqrt(), atol=1e-5, rtol=1e-4)


def test_avg_std_reads_a_channels_last_map() -> None:
    branch = TimmFrames("swin_tiny_patch4_window7_224", img_size=64, window_size=2, pool="avg_std").eval()
    view = frames(1, 1, 3, 64, 64)
    with torch.no_grad():
        maps = branch.trunk.forward_features((view[0] - branch.mean) / branch.sd)
        token = branch(view)[0, 0]
    assert maps.shape == (1, 2, 2, 768)
    torch.testing.assert_close(token[768:], (maps[0].var((0, 1), correction=0) + 1e-6).sqrt())


@pytest.mark.parametrize("pool", ["avg", "avg_std"])
@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("test_efficientnet", "last"),
        ("test_efficientnet", "all"),
        ("mobilenetv3_small_050", "last"),
        ("mobilenetv3_small_050", "all"),
        ("test_convnext", "last"),
        ("test_convnext", "all"),
        ("test_vit", "last"),
    ],
)
def test_every_parameter_gets_a_finite_gradient(name: str, pool: str, levels: str) -> None:
    branch = TimmFrames(name, pool=pool, levels=levels)
    size = 160 if name == "test_vit" else 96
    tokens = branch(frames(2, 2, 3, size, size))
    assert tokens.shape == (2, 2, branch.width)
    tokens.square().sum().backward()
    missing = [key for key, value in branch.named_parameters() if value.grad is None or not value.grad.isfinite().all()]
    assert not missing


def test_constant_frames_keep_gradients_finite() -> None:
    branch = TimmFrames("test_efficientnet", pool="avg_std", levels="all").eval()
    branch(torch.full((1, 1, 3, 64, 64), 128, dtype=torch.uint8)).sum().backward()
    assert all(value.grad.isfinite().all() for value in branch.parameters() if value.grad is not None)


def test_chunks_change_nothing_in_evaluation_and_are_not_used_in_training(monkeypatch) -> None:
    branch = TimmFrames("test_efficientnet").eval()
    view = frames(2, 5, 3, 64, 64)
    with torch.no_grad():
        whole = branch(view)
        branch.chunk = 3
        torch.testing.assert_close(branch(view), whole, atol=1e-5, rtol=1e-5)
        sizes: list[int] = []
        monkeypatch.setattr(
            branch.trunk, "forward_features", lambda x: (sizes.append(len(x)), torch.zeros(len(x), 256, 2, 2))[1]
        )
        monkeypatch.setattr(branch.trunk, "forward_head", lambda x, pre_logits: x.mean((2, 3)))
        branch(view)
        branch.train()
        branch(view)
    assert sizes == [3, 3, 3, 1, 10]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "swin_tiny_patch4_window7_224", "img_size": 256}, ["window_size", "64x64", "take window_size 8"]),
        ({"name": "swin_tiny_patch4_window7_224", "img_size": 256, "window_size": 7}, ["window_size", "take window_s"]),
        ({"name": "swin_tiny_patch4_window7_224", "img_size": 250, "window_size": 8}, ["img_size 250", "224 or 256"]),
        ({"name": "swinv2_tiny_window8_256", "img_size": 384}, ["window_size", "take window_size 12"]),
        ({"name": "vit_small_patch16_224", "img_size": 250}, ["img_size 250", "240 or 256"]),
        ({"name": "efficientnet_b0", "img_size": 256}, ["img_size", "any size"]),
        ({"name": "vit_small_patch16_224", "window_size": 8}, ["no option window_size"]),
        ({"name": "swin_tiny_patch4_windo7_224"}, ["did you mean 'swin_tiny_patch4_window7_224'"]),
        ({"name": "test_vit", "chunk": 0}, ["chunk"]),
    ],
)
def test_wrong_sizes_and_names_are_refused_with_the_mend(options: dict, words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        meta(**options)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_padded_window_is_taken_where_it_is_asked_for() -> None:
    """Swin-T with windows of 7 on 384 pixels, as E-VQA runs torchvision's: 14.299 GMACs a frame, of 13.993 with 12."""
    branch = meta(name="swin_tiny_patch4_window7_224", img_size=384, padded=True)
    frame = torch.empty(1, 1, 3, 384, 384, dtype=torch.uint8, device="meta")
    assert count_macs(branch, (frame,)).macs / 1e9 == pytest.approx(14.299, abs=0.001)


@pytest.mark.parametrize(("size", "window"), [(192, 6), (224, 7), (256, 8), (384, 12), (512, 8)])
def test_swin_takes_windows_that_divide_every_grid(size: int, window: int) -> None:
    branch = meta(name="swin_tiny_patch4_window7_224", img_size=size, window_size=window, drop_path=0.1)
    branch.check((8, 3, size, size))
    assert branch(torch.empty(1, 2, 3, size, size, dtype=torch.uint8, device="meta")).shape == (1, 2, 768)


def test_a_view_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"256x256.*224x224.*img_size"):
        meta(name="swin_tiny_patch4_window7_224", img_size=256, window_size=8).check((8, 3, 224, 224))
    with pytest.raises(ValueError, match=r"224x224.*256x256"):
        meta(name="vit_small_patch16_224").check((8, 3, 256, 256))
    with pytest.raises(ValueError, match="time, 3, height, width"):
        meta(name="test_efficientnet").check((3, 64, 64))
    meta(name="test_efficientnet").check((8, 3, 200, 120))
