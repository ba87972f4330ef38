"""Tiles cover everything once, agree with the whole picture where they can, and leave no seam."""

import random
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from models.sr.tiling import shares, starts, tiled, window_weights

torch.set_num_threads(1)
WINDOWS = ("hann", "gaussian", "flat")


@pytest.mark.parametrize("window", WINDOWS)
def test_the_identity_comes_back_for_any_size(window):
    draw = random.Random(0)
    sizes = [(1, 1), (1, 97), (23, 24), (24, 25), (101, 7)] + [
        (draw.randint(1, 90), draw.randint(1, 90)) for _ in range(15)
    ]
    for height, width in sizes:
        x = torch.rand(2, 3, height, width)
        out = tiled(lambda part: part, x, tile=24, overlap=8, window=window, batch=3)
        assert out.shape == x.shape and (out - x).abs().max() < 1e-6


def test_tiles_overlap_as_asked_end_flush_and_begin_in_step():
    draw = random.Random(1)
    for _ in range(300):
        align = draw.choice([1, 2, 8])
        tile = align * draw.randint(2, 12)
        overlap = draw.randint(0, tile - align)
        side = draw.randint(tile, 10 * tile)
        begins = starts(side, tile, overlap, align)
        assert begins[0] == 0 and begins[-1] == side - tile and begins == sorted(set(begins))
        assert all(begin % align == 0 for begin in begins[:-1])
        assert all(after - before <= tile - overlap for before, after in pairwise(begins))
    assert starts(20, 24, 8) == [0]
    with pytest.raises(ValueError, match="cannot step"):
        starts(50, 16, 12, align=8)


@pytest.mark.parametrize("window", WINDOWS)
def test_every_place_is_covered_and_shares_add_up_to_one(window):
    for side, tile in ((97, 24), (25, 24), (640, 96)):
        begins = starts(side, tile, tile // 3)
        assert (window_weights(tile, window) > 0).all()
        total, covered = torch.zeros(side), torch.zeros(side)
        for begin, share in zip(begins, shares(side, tile, begins, window), strict=True):
            total[begin : begin + tile] += share
            covered[begin : begin + tile] += 1
        assert covered.min() >= 1
        torch.testing.assert_close(total, torch.ones(side), atol=1e-6, rtol=0)


def test_a_tile_as_large_as_the_picture_changes_no_bit():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 3, 3, padding=1))
    x = torch.rand(2, 3, 31, 17)
    with torch.no_grad():
        assert torch.equal(tiled(network, x, tile=31, overlap=8), network(x))


def test_a_narrow_picture_longer_than_a_tile_works():
    x = torch.rand(1, 3, 5, 200)
    seen = []

    def note(part):
        seen.append(tuple(part.shape[-2:]))
        return part

    assert (tiled(note, x, tile=32, overlap=16) - x).abs().max() < 1e-6
    assert set(seen) == {(5, 32)}


def test_convolutions_agree_with_the_whole_picture_but_for_what_the_border_of_a_tile_disturbs():
    torch.manual_seed(0)
    network = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(4)))
    x, reach = torch.rand(1, 3, 61, 75), 4

    def trimmed(part):
        """What this tile gives, without a border of the receptive field where the picture goes on."""
        out, (top, left) = network(part), next(spots)
        keep = torch.zeros_like(out)
        high, low = reach * (top > 0), out.shape[-2] - reach * (top + 32 < 61)
        near, far = reach * (left > 0), out.shape[-1] - reach * (left + 32 < 75)
        keep[..., high:low, near:far] = 1
        return out * keep, keep

    spots = iter([(top, left) for top in starts(61, 32, 16) for left in starts(75, 32, 16)])
    with torch.no_grad():
        total, kept = tiled(trimmed, x, tile=32, overlap=16)
        assert kept.min() > 0 and (total / kept - network(x)).abs().max() < 1e-5
        assert 1e-5 < (tiled(network, x, tile=32, overlap=16) - network(x)).abs().max() < 0.05


def test_sides_of_the_result_follow_the_ratio():
    x = torch.rand(1, 3, 64, 40)
    smaller = tiled(lambda part: avg_pool2d(part, 8), x, tile=24, overlap=8, ratio=Fraction(1, 8), batch=2)
    torch.testing.assert_close(smaller, avg_pool2d(x, 8), atol=1e-6, rtol=0)
    larger = tiled(lambda part: interpolate(part, scale_factor=4), x, tile=24, overlap=8, ratio=4)
    torch.testing.assert_close(larger, interpolate(x, scale_factor=4), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="multiples of 8"):
        tiled(lambda part: avg_pool2d(part, 8), torch.rand(1, 3, 60, 40), tile=24, overlap=8, ratio=Fraction(1, 8))


def test_several_inputs_are_cut_alike_and_several_results_stay_apart():
    x, y = torch.rand(2, 3, 50, 33), torch.rand(2, 1, 50, 33).to(torch.bfloat16)
    total, kept = tiled(lambda a, b: (a + b.float(), b), (x, y), tile=16, overlap=8, batch=4)
    torch.testing.assert_close(total, x + y.float(), atol=1e-6, rtol=0)
    assert kept.dtype == torch.bfloat16 and torch.equal(kept, y)


def test_batches_of_tiles_change_nothing():
    x = torch.rand(2, 3, 50, 33)
    one, five = (tiled(lambda part: part.cumsum(-1), x, tile=16, overlap=8, batch=batch) for batch in (1, 5))
    assert torch.equal(one, five)


def test_no_gradient_stands_on_the_seams():
    """A tile's own offset, as norms and attention cause it, is spread over the overlap."""
    torch.manual_seed(0)
    x = 0.5 + 0.05 * torch.randn(1, 1, 256, 256)

    def shifted(part):
        return part + 0.1 * torch.randn(len(part), 1, 1, 1)

    indices = {}
    for window, overlap in (("hann", 32), ("gaussian", 32), ("flat", 8)):
        steps = tiled(shifted, x, tile=96, overlap=overlap, window=window, align=8).diff(dim=-1).abs().mean((0, 1, 2))
        begins = starts(256, 96, overlap, 8)
        # Lines between the first place that a tile gives and the one before, and after its last.
        seams = sorted({begin - 1 for begin in begins if begin} | {b + 95 for b in begins if b + 96 < 256})
        rest = torch.ones(len(steps), dtype=torch.bool)
        rest[seams] = False
        indices[window] = float(steps[seams].mean() / steps[rest].mean())
    assert 0.9 <= indices["hann"] <= 1.1 and 0.9 <= indices["gaussian"] <= 1.1
    assert indices["flat"] > 1.1


def test_a_shift_by_the_stride_is_a_shift_of_the_result():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3, 2, 1), nn.SiLU(), nn.ConvTranspose2d(4, 2, 4, 2, 1))
    x = torch.rand(1, 2, 80, 80)
    with torch.no_grad():
        first = tiled(network, x[..., :72, :72], tile=32, overlap=16, align=8)
        second = tiled(network, x[..., 8:, 8:], tile=32, overlap=16, align=8)
    assert (first[..., 16:64, 16:64] - second[..., 8:56, 8:56]).abs().max() < 0.02
    odd = tiled(network, x[..., 1:73, 1:73], tile=32, overlap=16, align=8)
    assert (first[..., 16:64, 16:64] - odd[..., 15:63, 15:63]).abs().max() > 0.02
