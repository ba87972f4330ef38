"""Windows of LR and HR lie on each other, and every window is as likely as another."""

from collections import Counter

import numpy as np
import pytest

from datamodules.image.crop import Crop
from datamodules.video.draw import Draw


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def larger(picture: np.ndarray, scale: int) -> np.ndarray:
    return picture.repeat(scale, 0).repeat(scale, 1)


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", [(40, 57), (16, 16), (5, 40), (40, 5), (3, 2), (1, 1)])
def test_lr_and_hr_are_cut_alike(size, scale):
    lr = noise(*size)
    hr = larger(lr, scale)
    seen = set()
    for number in range(24):
        crop = Crop.drawn(Draw(1, number, "a", True), size, 16)
        low, high = crop.cut(lr), crop.enlarged(scale).cut(hr)
        assert low.shape == (16, 16, 3) and high.shape == (16 * scale, 16 * scale, 3)
        assert np.array_equal(high, larger(low, scale))  # also where the window was filled up
        seen.add((crop.mirrored, crop.turns))
    assert len(seen) == 8


def test_every_place_and_orientation_is_as_likely():
    crops = [Crop.drawn(Draw(0, number, "a", True), (12, 10), 8) for number in range(3000)]
    tops, lefts = Counter(crop.top for crop in crops), Counter(crop.left for crop in crops)
    assert set(tops) == set(range(5)) and set(lefts) == set(range(3))
    assert max(tops.values()) < 1.25 * 600 and max(lefts.values()) < 1.15 * 1000
    assert max(Counter((crop.mirrored, crop.turns) for crop in crops).values()) < 1.2 * 375


def test_a_window_depends_on_seed_epoch_and_id_alone():
    def drawn(*parts):
        return Crop.drawn(Draw(*parts, True), (500, 500), 64)

    assert drawn(1, 2, "a") == drawn(1, 2, "a")
    assert len({drawn(1, 2, "a"), drawn(2, 2, "a"), drawn(1, 3, "a"), drawn(1, 2, "b")}) == 4


def test_the_eight_orientations():
    picture = np.array([[[1], [2]], [[3], [4]]], np.uint8)
    laid = [Crop(0, 0, 2, mirrored, turns).cut(picture)[:, :, 0] for mirrored in (False, True) for turns in range(4)]
    assert len({part.tobytes() for part in laid}) == 8
    assert laid[1].tolist() == [[2, 4], [1, 3]] and laid[4].tolist() == [[2, 1], [4, 3]]
