import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from datamodules.image.statistics import LUMA, noise, picture_statistics
from tests.datamodules.image.degradation.pictures import picture


def jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    data = io.BytesIO()
    Image.fromarray(rgb).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def test_blur_takes_sharpness_and_high_frequencies():
    rgb = picture(96, 120)
    blurred = np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(1.5)))
    before, after = picture_statistics(rgb), picture_statistics(blurred)
    assert after["sharpness"] < before["sharpness"] / 4
    assert after["high_frequency"] < before["high_frequency"] / 4
    assert 0 < before["high_frequency"] < 1


@pytest.mark.parametrize("sigma", [2.0, 8.0])
def test_noise_is_found_at_its_level(sigma):
    rows, columns = np.mgrid[:128, :128]
    smooth = 128 + 60 * np.sin(rows / 30) * np.cos(columns / 25)
    field = np.random.default_rng(0).normal(0, sigma, (128, 128))
    assert noise(smooth.astype(np.float32)) < 0.2
    assert noise((smooth + field).astype(np.float32)) == pytest.approx(sigma, rel=0.05)


def test_blocks_are_seen_on_their_grid_only():
    rgb = picture(128, 128)
    blocky = jpeg(rgb, 8)
    assert picture_statistics(rgb)["blockiness"] == pytest.approx(1, abs=0.1)
    assert picture_statistics(blocky)["blockiness"] > 1.5
    assert picture_statistics(blocky[3:, 3:])["blockiness"] < 1.1


def test_colour_and_brightness():
    grey = np.repeat(picture(40, 40)[:, :, :1], 3, axis=2)
    assert picture_statistics(grey)["colourfulness"] == 0
    assert picture_statistics(picture(40, 40))["colourfulness"] > 5
    red = np.zeros((9, 9, 3), np.uint8)
    red[:, :, 0] = 200
    assert picture_statistics(red)["brightness"] == pytest.approx(200 * LUMA[0], rel=1e-5)
    assert picture_statistics(red)["colourfulness"] == pytest.approx(0.3 * np.hypot(200, 100), rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 2), (3, 9), (17, 5)])
@pytest.mark.parametrize("flat", [True, False])
def test_any_size_gives_finite_numbers(size, flat):
    rgb = np.full((*size, 3), 77, np.uint8) if flat else picture(*size)
    values = picture_statistics(rgb)
    assert all(np.isfinite(value) for value in values.values())
    assert (values["height"], values["width"]) == size
