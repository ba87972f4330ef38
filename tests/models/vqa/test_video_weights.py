"""Loading published weights by a map of names: all or none, and what is wrong is listed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models.vqa.fast_path import FastPath
from models.vqa.fragment_swin3d import FragmentSwin3D
from models.vqa.slowfast_clips import SlowFastClips
from models.vqa.video_weights import SHOWN, load_published
from models.vqa.x3d_clip import X3DClip
from tests.models.vqa import published_lists

torch.set_num_threads(1)

# A trunk on the meta device shows that names and shapes fit, at no cost.
pytestmark = pytest.mark.filterwarnings("ignore:.*which is a no-op")

BRANCHES = {
    "slowfast_r50": [lambda path: SlowFastClips("both", weights=path), lambda path: FastPath(path)],
    "x3d_m": [lambda path: X3DClip("x3d_m", weights=path)],
    "fastvqa_b": [lambda path: FragmentSwin3D(weights=path)],
}
CASES = [(name, build) for name, builds in BRANCHES.items() for build in builds]


def published(name: str) -> dict[str, torch.Tensor]:
    """Tensors of the published shapes that take no room in a file."""
    return {key: torch.zeros(()).expand(shape) for key, shape in published_lists.read(name)["tensors"].items()}


def load(build, state: dict[str, torch.Tensor], path: Path) -> str | None:
    torch.save({"state_dict": state}, path)
    with torch.device("meta"):
        branch = build(str(path))
    return branch.load_pretrained()


@pytest.mark.parametrize(("name", "build"), CASES)
def test_the_published_names_and_shapes_fit_and_others_are_listed(name: str, build, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    state = published(name)
    assert load(build, state, path) == str(path)

    key = next(key for key in reversed(state) if key.endswith(("multipathway_blocks.1.conv.weight", "norm.bias")))
    if name == "slowfast_r50":
        key = "blocks.3.multipathway_blocks.1.res_blocks.4.branch2.conv_b.weight"
    wrong = {("renamed." + other if other == key else other): value for other, value in state.items()}
    with pytest.raises(ValueError) as told:
        load(build, wrong, path)
    assert f"1 missing: {key}; 1 unknown: renamed.{key}" in str(told.value)

    with pytest.raises(ValueError) as told:
        load(build, {**state, key: torch.zeros(3, 5)}, path)
    assert f"1 of another shape: {key} (3x5, not {'x'.join(map(str, state[key].shape))})" in str(told.value)
    assert str(path) in str(told.value) and "\n" not in str(told.value)

    with pytest.raises(ValueError, match=r"1 unknown: blocks\.9\.extra"):
        load(build, {**state, "blocks.9.extra": torch.zeros(1)}, path)


def test_the_file_of_another_network_is_told_in_bounds(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as told:
        load(BRANCHES["slowfast_r50"][0], published("x3d_m"), tmp_path / "weights.pth")
    assert "missing" in str(told.value) and f"and {len(published('slowfast_r50')) - 2 - SHOWN} more" in str(told.value)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)


@pytest.mark.parametrize("key", ["state_dict", "model_state", "model", None])
def test_files_are_read_under_the_usual_keys(key: str | None, tmp_path: Path) -> None:
    state = {"fc.weight": torch.full((1, 2), 3.0), "fc.bias": torch.full((1,), 4.0), "head.weight": torch.zeros(1)}
    if key is None:
        path = tmp_path / "weights.safetensors"
        save_file(state, path)
    else:
        path = tmp_path / "weights.pth"
        torch.save({key: state, "validation_results": (np.float64(0.9), np.float32(0.8)), "epoch": 3}, path)
    layer = Layer()
    load_published(layer, path, "a test", lambda name: name.replace("linear", "fc"), r"head\.")
    assert layer.linear.weight.tolist() == [[3, 3]] and layer.linear.bias.tolist() == [4]


def test_a_file_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file of weights"):
        FastPath(str(tmp_path / "none.pyth"), width=1).load_pretrained()
    (tmp_path / "text.pyth").write_text("no weights")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        FastPath(str(tmp_path / "text.pyth"), width=1).load_pretrained()


class Code:
    def __reduce__(self) -> tuple:
        return print, ("run",)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save({"state_dict": {"fc.weight": torch.zeros(1)}, "extra": Code()}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        load_published(Layer(), tmp_path / "bad.pth", "a test", str)
    assert "run" not in capsys.readouterr().out
