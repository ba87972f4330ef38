"""SlowFast and its fast way: the published structure, cost, clips, gradients, refusals."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from metrics.macs import count_macs
from models.vqa.branch import Branch
from models.vqa.fast_path import FastPath
from models.vqa.slowfast import slow_frames
from models.vqa.slowfast_clips import SlowFastClips
from tests.models.vqa import published_lists

torch.set_num_threads(1)

# A trunk on the meta device shows that names and shapes fit, at no cost.
pytestmark = pytest.mark.filterwarnings("ignore:.*which is a no-op")

LIST = published_lists.read("slowfast_r50")


def frames(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as PyTorchVideo publishes it, with weights by a formula."""
    path = tmp_path_factory.mktemp("weights") / "SLOWFAST_8x8_R50.pyth"
    torch.save({"model_state": published_lists.weights(LIST["tensors"]), "epoch": 196}, path)
    return path


def published_features(key: str) -> Tensor:
    return torch.tensor(LIST["probe"][key])


def some(features: Tensor) -> Tensor:
    return features[:: len(features) // 16]


def test_published_weights_give_the_published_features(checkpoint: Path) -> None:
    count, side = LIST["probe"]["pixels"]
    branch = SlowFastClips("both", length=count, weights=str(checkpoint)).eval()
    assert branch.load_pretrained() == str(checkpoint)
    with torch.no_grad():
        slow, fast = branch(published_lists.pixels(count, side))[0, 0].split((2048, 256))
    torch.testing.assert_close(some(slow), published_features("slow"), rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(some(fast), published_features("fast"), rtol=1e-4, atol=1e-2)


def test_the_fast_path_takes_its_part_of_the_published_weights(checkpoint: Path) -> None:
    branch = FastPath(str(checkpoint)).eval()
    assert branch.load_pretrained() == str(checkpoint)
    with torch.no_grad():
        features = branch(published_lists.pixels(*LIST["probe"]["pixels"]))[0, 0]
    torch.testing.assert_close(some(features), published_features("fast"), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("output", ["fast", "slow"])
def test_an_output_takes_what_it_needs_of_the_published_weights(checkpoint: Path, output: str) -> None:
    with torch.device("meta"):
        branch = SlowFastClips(output, weights=str(checkpoint))
        assert branch.load_pretrained() == str(checkpoint)


@pytest.mark.parametrize("output", ["fast", "slow"])
def test_an_output_is_its_part_of_both(output: str) -> None:
    options = {"length": 8, "width": 8, "depths": (1, 1, 1, 1)}
    both, one = SlowFastClips("both", **options).eval(), SlowFastClips(output, **options).eval()
    one.load_state_dict({name: both.state_dict()[name] for name in one.state_dict()})
    view = frames(1, 8, 3, 32, 32)
    with torch.no_grad():
        slow, fast = both(view).split((256, 32), dim=-1)
        torch.testing.assert_close(one(view), {"slow": slow, "fast": fast}[output])


def test_a_branch_without_weights_keeps_its_random_ones() -> None:
    assert FastPath(width=1, depths=(1, 1, 1, 1)).load_pretrained() is None
    assert SlowFastClips(width=8, depths=(1, 1, 1, 1)).load_pretrained() is None


@pytest.mark.parametrize(
    ("branch", "shape", "gmacs", "params"),
    [
        (FastPath, (32, 3, 224, 224), 5.283, 0.514),
        (FastPath, (32, 3, 112, 112), 1.356, 0.514),
        (SlowFastClips, (32, 3, 224, 224), 5.283, 0.514),
        (lambda: SlowFastClips("both"), (256, 3, 224, 224), 8 * 50.308, 34.566 - 0.922),
    ],
)
def test_cost_on_the_meta_device(branch, shape: tuple[int, ...], gmacs: float, params: float) -> None:
    with torch.device("meta"):
        built = branch()
        count = count_macs(built, (torch.empty(1, *shape, dtype=torch.uint8),))
    assert count.macs / 1e9 == pytest.approx(gmacs, rel=0.001)
    assert count.parameters / 1e6 == pytest.approx(params, rel=0.001)
    assert count.unused == 0 and not count.uncounted


def test_the_slow_way_sees_frames_from_the_first_to_the_last() -> None:
    assert slow_frames(32) == [0, 4, 8, 13, 17, 22, 26, 31]
    for time in range(4, 129, 4):
        assert slow_frames(time) == torch.linspace(0, time - 1, time // 4).long().tolist()


@pytest.mark.parametrize("output", ["fast", "slow", "both"])
def test_each_clip_gives_its_own_token_in_chunks_too(output: str) -> None:
    branch = SlowFastClips(output, length=8, width=8, depths=(1, 1, 1, 1)).eval()
    view = frames(2, 24, 3, 48, 48)
    with torch.no_grad():
        tokens = branch(view)
        alone = torch.cat([branch(view[:, first : first + 8]) for first in (0, 8, 16)], dim=1)
        branch.chunk = 4
        chunked = branch(view)
    assert tokens.shape == (2, 3, branch.width) == (2, 3, {"fast": 32, "slow": 256, "both": 288}[output])
    torch.testing.assert_close(tokens, alone)
    torch.testing.assert_close(chunked, tokens)
    assert not torch.allclose(tokens[:, 0], tokens[:, 1])


def test_pixels_are_normalised_as_in_the_published_training() -> None:
    branch = FastPath(width=2, depths=(1, 1, 1, 1)).eval()
    view = frames(1, 4, 3, 32, 32)
    with torch.no_grad():
        clip = ((view[0] / 255 - 0.45) / 0.225).transpose(0, 1)[None]
        torch.testing.assert_close(branch(view)[:, 0], branch.trunk(clip).mean((2, 3, 4)), atol=1e-5, rtol=1e-4)
        assert torch.equal(branch(view), branch(view.float()))


@pytest.mark.parametrize(
    "branch",
    [
        FastPath(width=2, depths=(1, 2, 1, 1)),
        *(SlowFastClips(output, length=8, width=16, depths=(1, 2, 1, 1)) for output in ("fast", "slow", "both")),
    ],
)
def test_every_parameter_gets_a_finite_gradient_that_is_not_zero(branch: Branch) -> None:
    tokens = branch(frames(2, 8, 3, 64, 64))
    (tokens * torch.randn_like(tokens)).sum().backward()
    bad = [
        name
        for name, value in branch.named_parameters()
        if value.grad is None or not value.grad.isfinite().all() or not value.grad.any()
    ]
    assert not bad


@pytest.mark.parametrize(
    ("branch", "shape", "words"),
    [
        (FastPath(width=1), (8, 3, 16, 64), "at least 32x32"),
        (FastPath(width=1), (8, 1, 64, 64), "shape"),
        (SlowFastClips(width=8), (40, 3, 64, 64), "clips of 32 frames and its view makes 40"),
        (SlowFastClips(width=8), (16, 3, 64, 64), "clips of 32 frames and its view makes 16"),
    ],
)
def test_a_view_that_does_not_fit_is_refused(branch: Branch, shape: tuple[int, ...], words: str) -> None:
    branch.check((32, 3, 64, 64))
    with pytest.raises(ValueError, match=words):
        branch.check(shape)


@pytest.mark.parametrize(
    "options", [{"length": 6}, {"length": 0}, {"width": 12}, {"depths": (1, 1, 0, 1)}, {"chunk": 0}]
)
def test_options_that_cannot_be_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        SlowFastClips(**options)
