"""X3D: the published structure, cost, gradients, refusals."""

from pathlib import Path

import pytest
import torch

from metrics.macs import count_macs
from models.vqa.x3d_clip import X3DClip
from tests.models.vqa import published_lists

torch.set_num_threads(1)

LIST = published_lists.read("x3d_m")


def frames(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_published_weights_give_the_published_features(tmp_path: Path) -> None:
    path = str(tmp_path / "X3D_M.pyth")
    torch.save({"model_state": published_lists.weights(LIST["tensors"])}, path)
    branch = X3DClip("x3d_m", weights=path).eval()
    assert branch.load_pretrained() == path
    with torch.no_grad():
        features = branch(published_lists.pixels(*LIST["probe"]["pixels"]))[0, 0]
    assert features.shape == (2048,)
    torch.testing.assert_close(features[::128], torch.tensor(LIST["probe"]["features"]), rtol=1e-4, atol=1e-2)


def test_weights_of_another_depth_are_refused_with_their_names(tmp_path: Path) -> None:
    path = str(tmp_path / "X3D_M.pyth")
    state = {name: torch.zeros(()).expand(shape) for name, shape in LIST["tensors"].items()}
    torch.save({"model_state": state}, path)
    with torch.device("meta"):
        branch = X3DClip("x3d_l", weights=path)
    with pytest.raises(ValueError, match=r"PyTorchVideo's X3D_L; \d+ missing: blocks.1.res_blocks.3.branch2.conv_a.w"):
        branch.load_pretrained()


def test_a_branch_without_weights_keeps_its_random_ones() -> None:
    assert X3DClip(width=8, depths=(1, 1, 1, 1)).load_pretrained() is None


@pytest.mark.parametrize(
    ("name", "shape", "gmacs"),
    [
        ("x3d_xs", (4, 3, 160, 160), 0.604),
        ("x3d_s", (13, 3, 160, 160), 1.962),
        ("x3d_m", (32, 3, 224, 224), 9.476),
    ],
)
def test_cost_on_the_meta_device(name: str, shape: tuple[int, ...], gmacs: float) -> None:
    with torch.device("meta"):
        branch = X3DClip(name)
        count = count_macs(branch, (torch.empty(1, *shape, dtype=torch.uint8),))
    assert count.macs / 1e9 == pytest.approx(gmacs, rel=0.002)
    assert count.parameters / 1e6 == pytest.approx(2.975, rel=0.001)
    assert count.unused == 0 and not count.uncounted


def test_one_token_a_clip_in_chunks_too() -> None:
    branch = X3DClip(width=6, depths=(1, 1, 1, 1)).eval()
    view = frames(3, 4, 3, 40, 64)
    with torch.no_grad():
        tokens = branch(view)
        branch.chunk = 2
        torch.testing.assert_close(branch(view), tokens)
    assert tokens.shape == (3, 1, branch.width) == (3, 1, 512)


def test_every_parameter_gets_a_finite_gradient_that_is_not_zero() -> None:
    torch.manual_seed(0)
    branch = X3DClip(width=8, depths=(2, 2, 1, 1))
    tokens = branch(frames(2, 8, 3, 64, 64))
    (tokens * torch.randn_like(tokens)).sum().backward()
    bad = [
        name
        for name, value in branch.named_parameters()
        if value.grad is None or not value.grad.isfinite().all() or not value.grad.any()
    ]
    assert not bad


def test_views_and_options_that_do_not_fit_are_refused() -> None:
    branch = X3DClip(width=8, depths=(1, 1, 1, 1))
    branch.check((1, 3, 32, 32))
    with pytest.raises(ValueError, match="at least 32x32"):
        branch.check((4, 3, 64, 31))
    with pytest.raises(ValueError, match="x3d_xxl"):
        X3DClip("x3d_xxl")
    with pytest.raises(ValueError, match="width 0"):
        X3DClip(width=0)
