import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from datamodules.video.views.resize import covering, resized


@pytest.mark.parametrize(("height", "width", "new"), [(540, 304, (256, 144)), (31, 47, (96, 64)), (64, 64, (64, 65))])
def test_it_is_the_resize_of_pillow(height: int, width: int, new: tuple[int, int]):
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    pillow = np.asarray(Image.fromarray(rgb).resize(new[::-1], Image.Resampling.BICUBIC))
    ours = resized(rgb, *new)
    assert ours.dtype == torch.uint8 and ours.shape == (3, *new)
    assert np.abs(ours.permute(1, 2, 0).numpy().astype(int) - pillow).max() <= 1


def test_it_rounds_instead_of_cutting_off():
    # A smooth picture without overshoot: the float result is the truth.
    ramp = np.linspace(20, 230, 90)[:, None, None] + np.linspace(0, 20, 60)[None, :, None]
    rgb = np.repeat(ramp.round().astype(np.uint8), 3, axis=2)
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None].double()
    difference = resized(rgb, 64, 31).double() - interpolate(image, size=(64, 31), mode="bicubic", antialias=True)[0]
    assert difference.abs().max() <= 1 and abs(difference.mean()) < 0.05


def test_overshoot_is_clamped():
    # A hard edge makes bicubic overshoot; unclamped it would wrap round to the other end of uint8.
    rgb = np.zeros((20, 20, 3), dtype=np.uint8)
    rgb[:, 10:] = 255
    row = resized(rgb, 80, 80)[0, 40].long()
    assert (row[:34] <= 8).all() and (row[46:] >= 247).all()


def test_the_same_size_is_untouched():
    rgb = np.random.default_rng(0).integers(0, 256, (33, 21, 3), dtype=np.uint8)
    assert torch.equal(resized(rgb, 33, 21), torch.from_numpy(rgb).permute(2, 0, 1))


def test_covering_fits_one_axis_exactly_and_keeps_the_aspect():
    assert covering(1920, 1080, 256, 256) == (455, 256)
    assert covering(1080, 1920, 256, 256) == (256, 455)
    assert covering(180, 320, 224, 224) == (224, 398)
    assert covering(16, 16, 384, 224) == (384, 384)
    assert covering(999, 1000, 333, 10) == (333, 333)
