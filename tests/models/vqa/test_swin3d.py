"""Video Swin on fragments: the published structure, the gate, cost, clips, gradients, refusals, FAST-VQA's head."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models.video import swin3d_t

from metrics.macs import count_macs
from models.vqa.fragment_swin3d import FragmentSwin3D
from models.vqa.position_head import PositionHead
from models.vqa.swin3d import fragment_distance
from tests.models.vqa import published_lists

torch.set_num_threads(1)

LIST = published_lists.read("fastvqa_b")
SMALL = {"width": 32, "depths": (1, 1, 1, 1), "grid": 2, "drop_path": 0.0}


def frames(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def published_state() -> dict[str, Tensor]:
    state = published_lists.weights(LIST["tensors"])
    index = swin3d_t().features[0][0].attn.relative_position_index
    return {name: index if name.endswith("position_index") else value for name, value in state.items()}


def test_published_weights_give_the_published_features_and_score(tmp_path: Path) -> None:
    path, state = str(tmp_path / "FAST_VQA_B_1_4.pth"), published_state()
    torch.save({"state_dict": state, "validation_results": (0.8, 0.7)}, path)
    branch = FragmentSwin3D(weights=path, pool="none").eval()
    assert branch.load_pretrained() == path
    head = PositionHead()
    head.build(branch.width)
    names = {"hidden.1": "fc_hid", "score": "fc_last"}
    for ours, theirs in names.items():
        layer = head.get_submodule(ours)
        layer.weight.data.copy_(state[f"vqa_head.{theirs}.weight"].flatten(1))
        layer.bias.data.copy_(state[f"vqa_head.{theirs}.bias"])
    with torch.no_grad():
        tokens = branch(published_lists.pixels(*LIST["probe"]["pixels"]))
        score = head.eval()(tokens)
    assert tokens.shape == (1, 2 * 7 * 7, 768)
    features = torch.tensor(LIST["probe"]["features"])
    torch.testing.assert_close(tokens[0].mean(dim=0)[::48], features, rtol=1e-4, atol=1e-5)
    assert score.item() == pytest.approx(LIST["probe"]["score"], abs=1e-5)


@pytest.mark.parametrize("grpb", [True, False])
def test_torchvisions_weights_begin_both_tables(tmp_path: Path, grpb: bool) -> None:
    whole = swin3d_t().eval()
    torch.save(whole.state_dict(), tmp_path / "swin3d_t.pth")
    branch = FragmentSwin3D(grpb, weights=str(tmp_path / "swin3d_t.pth")).eval()
    assert branch.load_pretrained() == str(tmp_path / "swin3d_t.pth")
    if grpb:
        attention = branch.trunk.features[0][0].attn
        assert torch.equal(attention.fragment_position_bias_table, attention.relative_position_bias_table)
    view = frames(1, 2, 3, 112, 112)
    clip = ((view[0] - branch.mean[:, 0]) / branch.sd[:, 0]).transpose(0, 1)[None]
    whole.head = torch.nn.Identity()
    with torch.no_grad():  # with two equal tables the gate decides nothing
        torch.testing.assert_close(branch(view)[:, 0], whole(clip))


def test_fast_vqas_weights_do_not_fit_without_its_bias(tmp_path: Path) -> None:
    state = {name: torch.zeros(()).expand(shape) for name, shape in LIST["tensors"].items()}
    torch.save({"state_dict": state}, tmp_path / "weights.pth")
    with torch.device("meta"):
        branch = FragmentSwin3D(grpb=False, weights=str(tmp_path / "weights.pth"))
    with pytest.raises(ValueError, match=r"grpb: false\); 10 unknown: .*fragment_position_bias_table"):
        branch.load_pretrained()


@pytest.mark.parametrize("height", [6, 5])
def test_the_gate_is_the_number_of_fragments_between_two_tokens(height: int) -> None:
    size, window, shift, grid = (4, height, 8), [2, 3, 4], [1, 1, 2], (3, 2)
    gate = fragment_distance(size, window, shift, grid, torch.device("cpu"))
    assert gate.shape == (2 * 2 * 2, 24, 24)
    windows = [(t, y, x) for t in range(2) for y in range(2) for x in range(2)]
    tokens = [(t, y, x) for t in range(2) for y in range(3) for x in range(4)]

    def fragment(place: tuple[int, int, int], token: tuple[int, int, int]) -> tuple[int, int]:
        y = (place[1] * 3 + token[1] + 1) % 6  # the window stands one token further down
        x = (place[2] * 4 + token[2] + 2) % 8
        return min(y * 3 // height, 2), x // 4  # a fifth row is padded by a sixth

    for number, place in enumerate(windows):
        for first, one in enumerate(tokens):
            for second, other in enumerate(tokens):
                (a, b), (c, d) = fragment(place, one), fragment(place, other)
                assert gate[number, first, second] == abs(a - c) + abs(b - d)


def test_the_gate_tells_fragments_apart() -> None:
    torch.manual_seed(0)
    branch = FragmentSwin3D(**SMALL).eval()
    view = frames(1, 2, 3, 64, 64)
    with torch.no_grad():
        before = branch(view)
        for block in branch.trunk.modules():
            if hasattr(block, "fragment_position_bias_table"):
                block.fragment_position_bias_table.normal_()
        after = branch(view)
    assert not torch.allclose(before, after, atol=1e-3)


@pytest.mark.parametrize(
    ("grpb", "count", "gmacs", "params"),
    [(True, 16, 43.88, 28.079), (False, 16, 43.88, 27.850), (True, 32, 87.76, 28.079)],
)
def test_cost_on_the_meta_device(grpb: bool, count: int, gmacs: float, params: float) -> None:
    with torch.device("meta"):
        counted = count_macs(FragmentSwin3D(grpb), (torch.empty(1, count, 3, 224, 224, dtype=torch.uint8),))
    assert counted.macs / 1e9 == pytest.approx(gmacs, rel=0.001)
    assert counted.parameters / 1e6 == pytest.approx(params, rel=0.001)
    assert counted.unused == 0 and not counted.uncounted


@pytest.mark.parametrize("grpb", [True, False])
def test_several_clips_are_averaged_in_chunks_too(grpb: bool) -> None:
    branch = FragmentSwin3D(grpb, clips=2, **SMALL).eval()
    one = FragmentSwin3D(grpb, **SMALL).eval()
    one.load_state_dict(branch.state_dict())
    view = frames(2, 8, 3, 64, 64)
    with torch.no_grad():
        token = branch(view)
        torch.testing.assert_close(token, (one(view[:, :4]) + one(view[:, 4:])) / 2)
        branch.chunk = 1
        torch.testing.assert_close(branch(view), token)
        branch.pool = "none"
        places = branch(view)
    assert token.shape == (2, 1, 256) and places.shape == (2, 2 * 2 * 2 * 2, 256)
    torch.testing.assert_close(places.mean(dim=1, keepdim=True), token)


@pytest.mark.parametrize("grpb", [True, False])
def test_every_parameter_gets_a_finite_gradient_that_is_not_zero(grpb: bool) -> None:
    torch.manual_seed(0)
    branch = FragmentSwin3D(grpb, pool="none", **SMALL)
    head = PositionHead(hidden=8)
    head.build(branch.width)
    scores = head(branch(frames(2, 8, 3, 64, 64)))
    (scores * torch.tensor([1.0, -2.0])).sum().backward()
    bad = [
        name
        for part in (branch, head)
        for name, value in part.named_parameters()
        if value.grad is None or not value.grad.isfinite().all() or not value.grad.any()
    ]
    assert not bad


@pytest.mark.parametrize(
    ("options", "shape", "words"),
    [
        ({"clips": 3}, (8, 3, 64, 64), "3 clips of one length and its view makes 8 frames"),
        ({}, (8, 3, 64, 60), "2x2 fragments .* set grid"),
        ({}, (8, 3, 24, 24), "at least 32x32"),
    ],
)
def test_a_view_that_does_not_fit_is_refused(options: dict, shape: tuple[int, ...], words: str) -> None:
    branch = FragmentSwin3D(**SMALL, **options)
    branch.check((6, 3, 64, 64))
    with pytest.raises(ValueError, match=words):
        branch.check(shape)


def test_a_plain_trunk_reads_frames_of_any_size() -> None:
    FragmentSwin3D(grpb=False, **SMALL).check((5, 3, 50, 70))


@pytest.mark.parametrize("options", [{"width": 48}, {"clips": 0}, {"grid": 0}, {"depths": (2, 2, 0, 2)}])
def test_options_that_cannot_be_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        FragmentSwin3D(**options)


def test_the_position_head_scores_positions_and_not_their_mean() -> None:
    torch.manual_seed(0)
    head = PositionHead(hidden=8)
    head.build(16)
    tokens = 3 * torch.randn(2, 5, 16)
    with torch.no_grad():
        head.eval()
        each = torch.stack([head(tokens[:, place : place + 1]) for place in range(5)])
        torch.testing.assert_close(head(tokens), each.mean(dim=0))
        assert not torch.allclose(head(tokens), head(tokens.mean(dim=1, keepdim=True)), atol=1e-3)
    with pytest.raises(ValueError, match="hidden"):
        PositionHead(hidden=0)
