import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.video.views.density import choose, density, grid, grown, luma, tile_densities

SIDE = 448
Y, X = np.mgrid[:SIDE, :SIDE]
RNG = np.random.default_rng(0)
WHITE = RNG.random((SIDE, SIDE))
NORMAL = RNG.normal(0, 1 / 255, (SIDE, SIDE))


def levels(image: np.ndarray, bits: int = 8) -> np.ndarray:
    """As a camera of so many bits stores it."""
    top = 2**bits - 1
    return (np.round(np.clip(image, 0, 1) * top) / top).astype(np.float32)


PATTERNS = {
    # image: density without a blur before the Laplacian, with it
    "flat": (np.full((SIDE, SIDE), 0.5), 0, 0),
    "ramp": (X / (SIDE - 1), 0, 0),
    "checker of 8 px": (((X // 8 + Y // 8) % 2).astype(float), 0.4308, 0.7410),
    "sine of 16 px": (0.5 + 0.5 * np.sin(2 * np.pi * X / 16), 0.6295, 0.6272),
    "white noise": (WHITE, 0.9805, 0.8671),
    "flat, noise of sd 2": (0.5 + 2 * NORMAL, 0.2904, 0),
    "flat, noise of sd 5": (0.5 + 5 * NORMAL, 0.6626, 0.0046),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_known_patterns_have_the_measured_density(name: str) -> None:
    image, plain, blurred = PATTERNS[name]
    assert density(levels(image), denoise_sigma=0) == pytest.approx(plain, abs=6e-3)
    assert density(levels(image)) == pytest.approx(blurred, abs=3e-3)


def test_it_is_the_share_of_pixels_whose_laplacian_is_large() -> None:
    image = levels(WHITE[:20, :31])
    kernel = np.exp(-(np.array([-1.0, 0, 1]) ** 2) / (2 * 0.8**2))
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2

    def around(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        padded = np.pad(values, 1, mode="edge")
        height, width = values.shape
        return sum(weights[i, j] * padded[i : i + height, j : j + width] for i in range(3) for j in range(3))

    cross = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    wanted = (np.abs(around(around(image.astype(float), kernel), cross)) > 10 / 255).mean()
    assert density(image) == pytest.approx(wanted, abs=1e-9)


def test_sensor_noise_is_no_structure_and_a_wider_blur_takes_more_of_it() -> None:
    noisy = levels(0.5 + 10 * NORMAL)
    found = [density(noisy, sigma) for sigma in (0, 0.8, 1.5)]
    assert found == pytest.approx([0.824, 0.155, 0.0], abs=0.01)


@pytest.mark.parametrize("level", [0, 0.3, 1])
def test_flat_areas_have_none_whatever_their_level(level: float) -> None:
    assert density(np.full((17, 40), level, np.float32)) == 0


@pytest.mark.parametrize("angle", range(0, 180, 15))
def test_ramps_in_any_direction_have_none(angle: int) -> None:
    along = np.cos(np.radians(angle)) * X + np.sin(np.radians(angle)) * Y
    assert density(levels((along - along.min()) / np.ptp(along))) == 0


@pytest.mark.parametrize("name", PATTERNS)
def test_bit_depth_and_size_change_nothing(name: str) -> None:
    image = PATTERNS[name][0]
    assert density(levels(image, 10)) == pytest.approx(density(levels(image)), abs=2e-3)
    assert density(levels(image[:224, :224])) == pytest.approx(density(levels(image)), abs=0.02)


def test_luma_is_that_of_the_standard() -> None:
    rgb = np.eye(3, dtype=np.uint8)[None] * 255
    assert luma(rgb)[0] == pytest.approx([0.299, 0.587, 0.114])
    assert luma(np.full((1, 1, 3), 255, np.uint8)).item() == pytest.approx(1)


def half_textured() -> np.ndarray:
    """Four tiles of 56: flat, weak stripes, strong stripes, flat."""
    image = np.full((56, 224), 0.5)
    image[:, 56:112] += 0.02 * np.sin(2 * np.pi * Y[:56, :56] / 4)
    image[:, 112:168] += 0.4 * np.sin(2 * np.pi * Y[:56, :56] / 4)
    return image.astype(np.float32)


def test_every_measure_ranks_strong_over_weak_over_flat() -> None:
    boxes = grid(56, 224, 56)
    absolute, relative, variance = (
        tile_densities(half_textured(), boxes, measure).tolist() for measure in ("density", "relative", "variance")
    )
    assert absolute[2] > 0.45 and max(absolute[0], absolute[1], absolute[3]) < 0.03
    assert relative[2] == 1 and 0.03 < relative[1] < 0.1 and relative[0] < 0.03
    assert variance[2] == 0.75 and variance[1] >= 0.25
    for flat in ("density", "relative", "variance"):
        assert tile_densities(np.full((56, 224), 0.3, np.float32), boxes, flat).max() == 0


def test_tiles_have_the_density_of_the_frame_around_them() -> None:
    image = levels(0.5 + 10 * NORMAL)
    whole = tile_densities(image, np.array([[0, 0, SIDE, SIDE]]))
    assert whole.tolist() == [density(image)]
    parts = tile_densities(image, grid(SIDE, SIDE, SIDE // 4))
    assert len(parts) == 16 and parts.mean() == pytest.approx(density(image))
    assert tile_densities(image, grid(SIDE, SIDE, SIDE // 4), denoise_sigma=1.5).max() == 0


@settings(deadline=None, max_examples=200)
@given(
    height=st.integers(1, 4000),
    width=st.integers(1, 4000),
    size=st.sampled_from([1, 16, 100, 224, 384]),
    tiles=st.integers(1, 16),
    border=st.sampled_from([0, 0.03, 0.1, 0.25, 0.49]),
)
def test_any_frame_can_give_the_tiles(height: int, width: int, size: int, tiles: int, border: float) -> None:
    if size == 1:  # as many tiles as pixels
        height, width = height % 60 + 1, width % 60 + 1
    new = grown(height, width, size, tiles, border)
    boxes = grid(*new, size, border)
    top, left, bottom, right = boxes.T
    assert len(boxes) >= tiles and len(np.unique(boxes, axis=0)) == len(boxes)
    assert (bottom - top == size).all() and (right - left == size).all()
    edges = [int(border * length) for length in new]
    assert top.min() == edges[0] and bottom.max() == new[0] - edges[0]
    assert left.min() == edges[1] and right.max() == new[1] - edges[1]
    assert np.lexsort((left, top)).tolist() == list(range(len(boxes)))
    covered = np.zeros(new[0], dtype=bool)
    for start in np.unique(top):
        covered[start : start + size] = True
    assert covered[edges[0] : new[0] - edges[0]].all()
    if new != (height, width):
        assert len(grid_or_none(height, width, size, border)) < tiles
        scale = new[0] / height, new[1] / width
        assert min(scale) > 1 - 1e-9 and abs(scale[0] - scale[1]) <= 1 / height + 1 / width  # rounding to whole pixels


def grid_or_none(height: int, width: int, size: int, border: float) -> np.ndarray:
    inside = [length - 2 * int(border * length) for length in (height, width)]
    return grid(height, width, size, border) if min(inside) >= size else np.empty((0, 4))


def test_frames_grow_until_the_tiles_lie_side_by_side_and_only_where_they_must() -> None:
    assert grown(1920, 1080, 224, 45) == (1920, 1080)
    assert grown(540, 304, 224, 4) == (540, 304)
    assert grown(96, 96, 224, 4) == (448, 448)
    assert grown(90, 160, 224, 4) == (448, 796)
    assert grown(16, 200, 224, 4) == (224, 2800)
    assert grown(400, 400, 224, 4, border=0.25) == (896, 896)


def test_tiles_of_a_frame_stand_on_a_grid_whose_last_ones_are_moved_back() -> None:
    boxes = grid(500, 224, 224)
    assert boxes.tolist() == [[0, 0, 224, 224], [224, 0, 448, 224], [276, 0, 500, 224]]


def test_too_many_are_thinned_to_the_densest_and_those_far_from_it_and_each_other() -> None:
    boxes = grid(500, 500, 100)
    densities = np.full(25, 0.5)
    densities[0], densities[1], densities[5] = 0.9, 0.8, 0.8
    assert choose(boxes, densities, 4, 0.2).tolist() == [0, 4, 20, 24]
    assert choose(boxes, densities, 1, 0.2).tolist() == [0]
    # A far tile below the threshold is not taken for being far.
    densities[24] = 0.1
    assert 24 not in choose(boxes, densities, 4, 0.2)


def test_too_few_are_filled_up_by_the_densest() -> None:
    boxes = grid(300, 300, 100)
    densities = np.array([0.0, 0.01, 0.3, 0.02, 0.03, 0.0, 0.0, 0.04, 0.0])
    assert choose(boxes, densities, 4, 0.2).tolist() == [2, 3, 4, 7]
    assert choose(boxes, np.zeros(9), 4, 0.2).tolist() == [0, 1, 2, 3]


def test_a_tile_that_mostly_repeats_another_comes_last() -> None:
    boxes = grid(100, 330, 100)  # the last of four is moved back over the third
    assert boxes[:, 1].tolist() == [0, 100, 200, 230]
    densities = np.array([0.1, 0.15, 0.5, 0.6])
    assert choose(boxes, densities, 2, 0.2).tolist() == [1, 3]
    assert choose(boxes, densities, 3, 0.0).tolist() == [0, 1, 3]
    assert choose(boxes, densities, 4, 0.2).tolist() == [0, 1, 2, 3]
    # Half is not more than half.
    assert choose(grid(100, 350, 100), densities, 2, 0.2).tolist() == [2, 3]


def test_a_cap_spreads_tiles_over_rows_and_gives_way_where_there_are_too_few() -> None:
    boxes = grid(300, 500, 100)
    densities = np.zeros(15)
    densities[10:] = 0.9  # subtitles
    densities[3] = 0.3
    assert choose(boxes, densities, 4, 0.2).min() == 3
    rows = choose(boxes, densities, 4, 0.2, row_cap=2) // 5
    assert np.bincount(rows, minlength=3).tolist() == [2, 0, 2]
    rows = choose(boxes, densities, 9, 0.2, row_cap=1) // 5
    assert np.bincount(rows, minlength=3).tolist() == [3, 3, 3]


@settings(deadline=None, max_examples=100)
@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    share=st.floats(0, 1),
    threshold=st.sampled_from([0, 0.1, 0.5, 1]),
    cap=st.sampled_from([None, 1, 2]),
    seed=st.integers(0, 99),
)
def test_always_exactly_as_many_tiles_kept_ones_first(rows, columns, share, threshold, cap, seed) -> None:
    boxes = grid(rows * 10, columns * 10, 10)
    densities = np.random.default_rng(seed).integers(0, 5, len(boxes)) / 4
    tiles = max(1, int(share * len(boxes)))
    chosen = choose(boxes, densities, tiles, threshold, cap)
    assert len(set(chosen.tolist())) == tiles and (np.diff(chosen) > 0).all()
    assert np.array_equal(chosen, choose(boxes, densities, tiles, threshold, cap))
    if cap is None:
        kept = np.flatnonzero(densities >= threshold)
        assert set(chosen) >= set(kept) if len(kept) <= tiles else set(chosen) <= set(kept)
    else:
        assert np.bincount(chosen // columns).max() <= max(cap, -(-tiles // rows))
