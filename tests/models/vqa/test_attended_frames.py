"""Bottleneck attention: its formula, its beginning, its cost; the branch around it."""

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from metrics.macs import count_macs
from models.vqa.attended_frames import AttendedFrames
from models.vqa.bottleneck_attention import BottleneckAttention

torch.set_num_threads(1)


def block(**options) -> BottleneckAttention:
    torch.manual_seed(0)
    made = BottleneckAttention(**{"channels": 16, "heads": 2, "head_width": 4} | options).eval()
    nn.init.normal_(made.leave[-1].weight)
    return made


def frames(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("reach", [12, 3])
def test_it_is_attention_with_relative_positions(reach: int) -> None:
    made, maps = block(reach=reach), torch.randn(2, 16, 3, 5)
    with torch.no_grad():
        query, key, value = made.qkv(made.enter(maps)).chunk(3, dim=1)
        places = [(y, x) for y in range(3) for x in range(5)]
        mixed = torch.zeros(2, 8, 3, 5)
        for head in (slice(0, 4), slice(4, 8)):
            for y, x in places:
                asks = query[:, head, y, x] / 2
                scores = []
                for v, u in places:
                    down, across = (max(1 - reach, min(reach - 1, d)) + reach - 1 for d in (v - y, u - x))
                    scores.append((asks * (key[:, head, v, u] + made.rows[down] + made.columns[across])).sum(1))
                weights = torch.stack(scores, 1).softmax(1)
                mixed[:, head, y, x] = torch.einsum("bp,bdp->bd", weights, value[:, head].flatten(2))
        torch.testing.assert_close(made(maps), (maps + made.leave(mixed)).relu(), atol=1e-5, rtol=1e-4)


def test_it_begins_as_the_rectified_map() -> None:
    maps = torch.randn(2, 16, 3, 3)
    assert torch.equal(BottleneckAttention(16, 2, 4)(maps), maps.relu())


def test_the_blocks_of_rq_vqa_have_their_size() -> None:
    with torch.device("meta"):
        made = BottleneckAttention(1024)
    count = count_macs(made, (torch.empty(1, 1024, 12, 12, device="meta"),))
    convolutions = 1024 * 256 + 256 * 1536 + 512 * 1024
    norms = 2 * (256 + 512 + 1024)
    assert count.parameters == convolutions + norms + 2 * 23 * 128 and not count.unused
    positions = 2 * 144 * 12 * 512
    assert count.macs == 144 * convolutions + 2 * 144**2 * 512 + positions


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("test_efficientnet", {}),
        ("test_convnext", {}),
        ("mobilenetv3_small_050", {}),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "window_size": 2}),
    ],
)
def test_every_parameter_gets_a_gradient(name: str, options: dict) -> None:
    torch.manual_seed(0)
    branch = AttendedFrames(name, blocks=2, heads=2, head_width=8, **options)
    for each in branch.attention:
        nn.init.normal_(each.leave[-1].weight)
    tokens = branch(frames(2, 1, 3, 64, 64))
    assert tokens.shape == (2, 1, branch.width)
    (tokens - torch.randn(branch.width)).square().sum().backward()
    wrong = [
        key
        for key, value in branch.named_parameters()
        if value.grad is None or not value.grad.isfinite().all() or not value.grad.abs().max() > 0
    ]
    assert not wrong


def test_closed_blocks_open_within_three_steps() -> None:
    torch.manual_seed(0)
    branch = AttendedFrames("test_efficientnet", blocks=2, heads=2, head_width=8)
    optimizer = torch.optim.AdamW(branch.parameters(), 1e-5)
    for _ in range(3):
        optimizer.zero_grad()
        (branch(frames(2, 2, 3, 64, 64)) - 1).square().sum().backward()
        optimizer.step()
    assert all(value.grad.isfinite().all() and value.grad.abs().max() > 0 for value in branch.parameters())


@pytest.mark.parametrize(
    ("name", "options"),
    [("test_efficientnet", {}), ("swin_tiny_patch4_window7_224", {"img_size": 64, "window_size": 2})],
)
def test_closed_blocks_give_the_trunks_rectified_feature(name: str, options: dict) -> None:
    branch = AttendedFrames(name, heads=2, head_width=8, **options).eval()
    view = frames(1, 3, 3, 64, 64)
    with torch.no_grad():
        maps = branch.trunk.forward_features((view[0] - branch.mean) / branch.sd)
        if maps.shape[-1] == branch.width:
            maps = maps.movedim(-1, 1)
        tokens = branch(view)
        torch.testing.assert_close(tokens[0], maps.relu().mean((2, 3)), atol=1e-5, rtol=1e-4)
        branch.chunk = 2
        torch.testing.assert_close(branch(view), tokens, atol=1e-5, rtol=1e-5)


def test_the_trunks_weights_load(tmp_path: Path) -> None:
    torch.manual_seed(7)
    state = timm.create_model("test_efficientnet").state_dict()
    torch.save(state, tmp_path / "trunk.pth")
    branch = AttendedFrames("test_efficientnet", weights=str(tmp_path / "trunk.pth"), blocks=1, heads=1, head_width=8)
    branch.load_pretrained()
    assert all(torch.equal(value, state[key]) for key, value in branch.trunk.state_dict().items())


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="blocks must be at least 1"):
        AttendedFrames("test_efficientnet", blocks=0)
    with pytest.raises(ValueError, match="heads 0"):
        AttendedFrames("test_efficientnet", heads=0)
