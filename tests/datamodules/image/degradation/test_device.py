import numpy as np
import pytest
import torch

from datamodules.image.degradation import Degradation, Plan, canvas, device, jpeg, worker
from datamodules.image.degradation.device import DeviceDegradation
from datamodules.image.degradation.kernels import kernels
from datamodules.image.degradation.plan import Blur
from datamodules.image.degradation.presets import PRESETS, RESIZERS
from records.images import to_picture, to_tensor
from tests.datamodules.image.degradation.pictures import picture, psnr

BLUR = Blur("aniso", 13, 2.5, 0.8, 0.7)


def batch(height: int = 64, width: int = 96, count: int = 6) -> tuple[list[np.ndarray], torch.Tensor]:
    pictures = [picture(height, width, seed) for seed in range(count)]
    return pictures, torch.stack([to_tensor(one) for one in pictures])


def plans(degradation: Degradation, count: int, size: tuple[int, int]) -> list[Plan]:
    return [degradation.plan(0, 0, f"{number}", size) for number in range(count)]


def planar(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).permute(2, 0, 1)[None]


def on_canvas(x: np.ndarray) -> torch.Tensor:
    """The picture with rubbish around it."""
    return torch.nn.functional.pad(planar(x), (0, 5, 0, 3), value=7.0)


@pytest.mark.parametrize("size", [(40, 31), (6, 5), (1, 9)])
def test_blur_agrees_with_the_worker(size):
    x = worker.to_floats(picture(*size))
    out = canvas.filtered(on_canvas(x), [size], torch.from_numpy(kernels([BLUR])))
    torch.testing.assert_close(out[:, :, : size[0], : size[1]], planar(worker.blurred(x, BLUR)), atol=4e-6, rtol=0)


@pytest.mark.parametrize("mode", RESIZERS)
@pytest.mark.parametrize("wanted", [(13, 20), (61, 50), (40, 31), (1, 3)])
def test_resizing_agrees_with_the_worker_and_with_torch(mode, wanted):
    size = (40, 31)
    x = worker.to_floats(picture(*size))
    out = canvas.resized(on_canvas(x), [size], [wanted], [mode])[:, :, : wanted[0], : wanted[1]]
    torch.testing.assert_close(
        out, torch.nn.functional.interpolate(planar(x), size=wanted, mode=mode), atol=1e-5, rtol=0
    )
    # OpenCV keeps the places between two pixels in fewer digits.
    torch.testing.assert_close(out, planar(worker.resized(x, wanted, mode)), atol=1e-4, rtol=0)


def test_unsharp_mask_agrees_with_the_worker():
    x = worker.to_floats(picture(70, 60))
    out = device.sharpened(on_canvas(x), [(70, 60)])[:, :, :70, :60]
    # A pixel whose detail is just at the threshold may fall on either side.
    close = (out - planar(worker.sharpened(x))).abs() < 1e-4
    assert close.float().mean() > 0.999


@pytest.mark.parametrize("quality", [30, 60, 95])
def test_jpeg_agrees_with_the_codec(quality):
    hr = picture(83, 70)
    out = jpeg.compressed(on_canvas(worker.to_floats(hr)), [(83, 70)], [quality])[0, :, :83, :70]
    assert psnr(to_picture(out), worker.to_bytes(worker.compressed(worker.to_floats(hr), quality))) > 42
    assert torch.equal(out, out.mul(255).round().div(255))


@pytest.mark.parametrize("preset", ["realesrgan", "pisasr"])
def test_without_jpeg_and_codec_both_executors_give_the_same_levels(preset, monkeypatch):
    monkeypatch.setattr(worker, "compressed", lambda x, quality: np.clip(x, 0, 1))
    monkeypatch.setattr(jpeg, "compressed", lambda x, sizes, qualities: x.clamp(0, 1))
    degradation, (pictures, hr) = Degradation(preset), batch()
    drawn = plans(degradation, 6, (64, 96))
    for out, plan, one in zip(DeviceDegradation().apply(drawn, hr), drawn, pictures, strict=True):
        apart = np.abs(to_picture(out).astype(int) - degradation.apply(plan, one))
        assert apart.max() <= 1 and (apart > 0).mean() < 0.01


@pytest.mark.parametrize("preset", PRESETS)
def test_the_whole_chain_agrees_closely(preset):
    degradation, (pictures, hr) = Degradation(preset, codec=0), batch(128, 128, 8)
    drawn = plans(degradation, 8, (128, 128))
    outs = DeviceDegradation().apply(drawn, hr)
    scores = [psnr(to_picture(out), degradation.apply(*both)) for out, *both in zip(outs, drawn, pictures, strict=True)]
    assert min(scores) > 28 and np.median(scores) > 38


@pytest.mark.parametrize("groups", [1, 2, None])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_batch_is_what_its_pictures_are_alone(preset, groups):
    degradation, (_, hr) = Degradation(preset, codec=0.5), batch()
    drawn = plans(degradation, 6, (64, 96))
    together = DeviceDegradation(groups).apply(drawn, hr)
    alone = torch.cat([DeviceDegradation().apply([plan], hr[i : i + 1]) for i, plan in enumerate(drawn)])
    # Sums in another order may move a value across the middle between two levels, and JPEG spreads that over a block.
    assert ((together - alone).abs() > 0.5 / 255).float().mean() < 0.01


@pytest.mark.parametrize(("scale", "size"), [(1, (23, 37)), (2, (18, 26)), (4, (8, 8)), (4, (4, 60)), (1, (9, 1))])
def test_sizes_are_exact_on_the_8_bit_grid(scale, size):
    degradation, (_, hr) = Degradation("kwai", scale, codec=0.5), batch(*size, 6)
    out = DeviceDegradation().apply(plans(degradation, 6, size), hr)
    assert out.shape == (6, 3, size[0] // scale, size[1] // scale) and out.dtype == torch.float32
    torch.testing.assert_close(out.mul(255), out.mul(255).round(), atol=1e-4, rtol=0)
    assert out.min() >= 0 and out.max() <= 1


def test_half_precision_around_it_changes_nothing():
    degradation, (_, hr) = Degradation("pisasr"), batch(count=2)
    drawn = plans(degradation, 2, (64, 96))
    with torch.autocast("cpu", torch.bfloat16):
        inside = DeviceDegradation().apply(drawn, hr)
    torch.testing.assert_close(inside, DeviceDegradation().apply(drawn, hr), atol=0, rtol=0)


def test_plans_that_are_not_for_the_batch_are_refused():
    degradation, (_, hr) = Degradation(), batch(count=2)
    drawn = plans(degradation, 2, (64, 96))
    for wrong in (
        drawn[:1],
        plans(degradation, 2, (96, 64)),
        [drawn[0], Degradation(scale=2).plan(0, 0, "a", (64, 96))],
    ):
        with pytest.raises(ValueError, match="plans for"):
            DeviceDegradation().apply(wrong, hr)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_what_the_cpu_gives():
    degradation, (_, hr) = Degradation("kwai"), batch(128, 128, 8)
    drawn = plans(degradation, 8, (128, 128))
    there = DeviceDegradation().apply(drawn, hr.cuda())
    assert there.is_cuda
    apart = (there.cpu() - DeviceDegradation().apply(drawn, hr)).abs()
    assert (apart > 0.5 / 255).float().mean() < 0.05
    assert apart.mean() < 0.5 / 255
