import json
import multiprocessing

import numpy as np
import pytest

from datamodules.image.degradation import Degradation, Plan
from datamodules.image.degradation.degradation import degrade
from datamodules.image.degradation.presets import PRESETS
from tests.datamodules.image.degradation.pictures import picture, psnr


def low(degradation: Degradation, hr: np.ndarray, id: str = "a.png") -> np.ndarray:
    return degradation.apply(degradation.plan(0, 0, id, hr.shape[:2]), hr)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_every_scale_gives_its_exact_size_in_8_bit(preset, scale):
    hr = picture(20 * scale, 13 * scale)
    for number in range(4):
        out = low(Degradation(preset, scale), hr, str(number))
        assert out.dtype == np.uint8 and out.shape == (20, 13, 3) and out.flags.c_contiguous


@pytest.mark.parametrize("size", [(8, 8), (4, 4), (4, 52), (60, 4)])
def test_pictures_smaller_than_a_kernel_are_degraded(size):
    degradation = Degradation("kwai", codec=1)
    for number in range(12):
        assert low(degradation, picture(*size), str(number)).shape == (size[0] // 4, size[1] // 4, 3)


@pytest.mark.parametrize("size", [(1, 1), (31, 1), (1, 17), (23, 37)])
def test_odd_sides_keep_their_size_at_scale_1(size):
    degradation = Degradation("realesrgan", scale=1, codec=1)
    for number in range(8):
        assert low(degradation, picture(*size), str(number)).shape == (*size, 3)


def test_a_picture_is_recognisable_after_degradation():
    hr = picture(128, 128)
    small = hr.reshape(32, 4, 32, 4, 3).mean((1, 3)).round().astype(np.uint8)
    scores = [psnr(low(Degradation(), hr, str(number)), small) for number in range(16)]
    assert all(15 < score < 45 for score in scores) and np.std(scores) > 0.3


def test_a_record_rebuilds_the_picture_bit_for_bit():
    hr = picture(64, 96)
    for preset in PRESETS:
        degradation = Degradation(preset, codec=1)
        for number in range(6):
            plan = degradation.plan(3, 1, f"{number}", (64, 96))
            rebuilt = degrade(Plan.from_record(json.loads(json.dumps(plan.record()))), hr)
            np.testing.assert_array_equal(rebuilt, degradation.apply(plan, hr))


def test_another_process_makes_the_same_pictures():
    degradation, hr = Degradation("kwai", codec=1), picture(64, 64)
    plans = [degradation.plan(0, 0, str(number), (64, 64)) for number in range(2)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.starmap(degradation.apply, [(plan, hr) for plan in plans])
    for plan, out in zip(plans, there, strict=True):
        np.testing.assert_array_equal(out, degradation.apply(plan, hr))


@pytest.mark.parametrize("hr", [picture(64, 48), picture(48, 64).astype(np.float32), picture(48, 64)[:, :, :1]])
def test_a_picture_that_the_plan_is_not_for_is_refused(hr):
    degradation = Degradation()
    with pytest.raises(ValueError, match="the plan is for uint8"):
        degradation.apply(degradation.plan(0, 0, "a", (48, 64)), hr)


def test_unsharp_mask_lifts_edges_and_leaves_flat_parts():
    from datamodules.image.degradation.worker import sharpened

    x = np.full((96, 96, 3), 0.3, np.float32)
    x[:, 48:] = 0.7
    out = sharpened(x)
    assert out[48, 47, 0] < 0.27 and out[48, 48, 0] > 0.73
    assert np.abs(out[:, :10] - 0.3).max() < 0.01
