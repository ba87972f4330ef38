"""The state-space branch: positions, directions, cost, gradients."""

import pytest
import torch
from torch.nn.functional import interpolate

from metrics.macs import count_macs
from models.vqa.video_ssm import BiSSMVideo, resampled

torch.set_num_threads(1)


def small(**options) -> BiSSMVideo:
    torch.manual_seed(0)
    return BiSSMVideo(**{"depth": 2, "width": 16, "frames": 3, "size": 48, "head_width": 8, "state": 4} | options)


def view(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_tokens_of_a_video_or_of_its_frames() -> None:
    frames, video = small(tokens="frames").eval(), small().eval()
    clip = view(2, 3, 3, 48, 48)
    with torch.no_grad():
        each, one = frames(clip), video(clip)
        assert torch.equal(video(clip.float()), one)
    assert each.shape == (2, 3, 16) and one.shape == (2, 1, 16)
    torch.testing.assert_close(one, each.mean(1, keepdim=True))
    assert each.std(dim=1).min() > 1e-4


def test_a_video_gives_the_same_alone_and_in_a_batch() -> None:
    branch = small().eval()
    clips = view(5, 3, 3, 48, 48)
    with torch.no_grad():
        together, alone = branch(clips), torch.cat([branch(clip[None]) for clip in clips])
        assert torch.equal(branch(clips), together)
    assert (together - alone).abs().max() <= 1e-5


def test_every_parameter_gets_a_gradient() -> None:
    branch = small()
    branch(view(2, 3, 3, 48, 48)).square().sum().backward()
    dead = [
        name
        for name, value in branch.named_parameters()
        if value.grad is None or not value.grad.isfinite().all() or not value.grad.abs().max() > 0
    ]
    assert not dead


@pytest.mark.parametrize("changed", [0, 2])
def test_every_frame_hears_of_every_other(changed: int) -> None:
    # One block: what reaches the far end went through the scan of one direction, not through the convolution.
    branch = small(tokens="frames", depth=1).eval()
    clip = view(1, 3, 3, 48, 48)
    other = clip.clone()
    other[:, changed] = 255 - other[:, changed]
    with torch.no_grad():
        difference = (branch(clip) - branch(other)).abs().amax(dim=-1)[0]
    assert difference.min() > 1e-6


def test_frames_and_places_are_told_apart() -> None:
    branch = small().eval()
    clip = view(1, 3, 3, 48, 48)
    with torch.no_grad():
        token = branch(clip)
        assert not torch.allclose(branch(clip.flip(1)), token, atol=1e-4)
        assert not torch.allclose(branch(clip.flip(-1)), token, atol=1e-4)


def test_other_sizes_take_interpolated_positions() -> None:
    branch = small().eval()
    for time, height, width in ((3, 48, 48), (5, 96, 64), (1, 16, 16)):
        branch.check((time, 3, height, width))
        with torch.no_grad():
            assert branch(view(1, time, 3, height, width)).isfinite().all()
    with pytest.raises(ValueError, match="multiples of 16 pixels, not of 40x48"):
        branch.check((3, 3, 40, 48))
    table = torch.randn(7, 4)
    for length in (3, 7, 12):
        wanted = interpolate(table.T[None], size=length, mode="linear", align_corners=False)[0].T
        torch.testing.assert_close(resampled(table, length), wanted, atol=1e-6, rtol=1e-5)


def test_other_sizes_are_counted_too() -> None:
    count = count_macs(small(), (torch.empty(1, 5, 3, 96, 64, dtype=torch.uint8, device="meta"),))
    assert count.macs > 0 and not count.unused and count.uncounted == ("aten.cumsum",)


@pytest.mark.parametrize(("depth", "params"), [(24, 5_950_944), (8, 2_108_320)])
def test_it_costs_projections_scans_and_little_else(depth: int, params: int) -> None:
    with torch.device("meta"):
        branch = BiSSMVideo(depth)
    count = count_macs(branch, (torch.empty(1, 8, 3, 224, 224, dtype=torch.uint8, device="meta"),))
    width, heads, state, tokens, steps = 192, 6, 16, 8 * 14**2, 25 * 64
    projections = tokens * (6 * width**2 + 2 * width * (2 * state + heads))
    convolutions = 2 * 4 * (tokens + 3) * (2 * width + 2 * state)  # three steps of padding
    scans = 2 * (steps * (64 * (state + 2 * width) + 4 * width * state) + 25**2 * 2 * width * state)
    patches = tokens * 3 * 16**2 * width
    assert count.macs == patches + depth * (projections + convolutions + scans)
    assert count.parameters == params and not count.unused and count.uncounted == ("aten.cumsum",)


@pytest.mark.parametrize("options", [{"depth": 0}, {"size": 40}, {"head_width": 5}, {"state": 0}])
def test_nonsense_is_refused(options: dict) -> None:
    with pytest.raises(ValueError):
        small(**options)


def test_bfloat16_stays_close() -> None:
    branch = small().eval()
    clip = view(2, 3, 3, 48, 48)
    with torch.no_grad():
        exact = branch(clip)
        with torch.autocast("cpu", torch.bfloat16):
            rough = branch(clip)
    assert (rough - exact).abs().max() < 0.05 * exact.std()
