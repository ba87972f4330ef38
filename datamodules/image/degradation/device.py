"""The same plans followed on an accelerator, a batch at a time."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import torch
from torch import Tensor

from datamodules.image.degradation import canvas, jpeg, worker
from datamodules.image.degradation.codec import pass_codec
from datamodules.image.degradation.kernels import kernels
from datamodules.image.degradation.noise import add_noise
from datamodules.image.degradation.plan import Blur, Noise, Plan
from records.images import to_picture, to_tensor


class DeviceDegradation:
    """Follows plans on the device of the pictures.

    Blur, resizing and noise agree with :class:`Degradation` up to rounding, and the JPEG is computed with the codec's
    own arithmetic but for its cosine transform, so the pictures agree closely and not bit for bit. A video codec runs
    on no device: samples with a codec stage go through host memory and H.264 there, one by one.

    Samples change their sizes each in its own way. Those of similar size are worked on together, on a canvas of the
    largest: one group costs the fewest calls, many groups the fewest wasted pixels.

    Args:
        groups: Groups of each kind of final order; null: 1 on an accelerator, one per sample on a CPU.
    """

    def __init__(self, groups: int | None = None) -> None:
        if groups is not None and groups < 1:
            raise ValueError(f"groups is {groups}; give at least 1")
        self.groups = groups

    @torch.no_grad()
    def apply(self, plans: Sequence[Plan], hr: Tensor) -> Tensor:
        """Degrade a batch.

        Args:
            plans: One for each picture, all for one scale and for the size of the batch.
            hr: Float (b, 3, h, w) in [0, 1], RGB.

        Returns:
            float32 (b, 3, h / scale, w / scale) on the 8-bit grid.

        Raises:
            ValueError: Plans that are not for this batch.
        """
        if hr.ndim != 4 or hr.shape[1] != 3 or len(plans) != len(hr):
            raise ValueError(
                f"{len(plans)} plans for pictures of shape {tuple(hr.shape)}; give one for each of (b, 3, h, w)"
            )
        strange = {(plan.size, plan.scale) for plan in plans} - {(tuple(hr.shape[2:]), plans[0].scale)}
        if strange:
            raise ValueError(f"plans for (size, scale) {sorted(strange)} in a batch of {tuple(hr.shape[2:])}")
        height, width = plans[0].lr_size
        out = torch.empty(len(plans), 3, height, width, device=hr.device)
        with _full_precision(hr.device):
            for members in self._grouped(plans, hr.device):
                out[members] = _followed([plans[index] for index in members], hr[members].float())
        return out

    def _grouped(self, plans: Sequence[Plan], device: torch.device) -> Iterator[list[int]]:
        """Indices of samples of one final order, of similar size after the first resize."""
        for jpeg_last in (False, True):
            chosen = [index for index, plan in enumerate(plans) if plan.jpeg_last is jpeg_last]
            chosen.sort(key=lambda index: plans[index].size_1[0] * plans[index].size_1[1])
            count = self.groups or max(1, len(chosen) if device.type == "cpu" else 1)
            ends = [len(chosen) * number // count for number in range(count + 1)]
            yield from (chosen[a:b] for a, b in pairwise(ends) if a < b)


def _followed(plans: list[Plan], x: Tensor) -> Tensor:
    """All stages of samples that share the final order."""
    sizes = [plan.size for plan in plans]
    if any(plan.sharpen for plan in plans):
        x = torch.where(_flags([plan.sharpen for plan in plans], x), sharpened(x, sizes), x)
    x = _blurred(x, sizes, [plan.blur_1 for plan in plans])
    x, sizes = _resized(x, sizes, [plan.size_1 for plan in plans], [plan.resize_1.mode for plan in plans])
    x = _noisy(x, sizes, [plan.noise_1 for plan in plans])
    x = jpeg.compressed(x, sizes, [plan.jpeg_1 for plan in plans])
    x = _blurred(x, sizes, [plan.blur_2 for plan in plans])
    x, sizes = _resized(x, sizes, [plan.size_2 for plan in plans], [plan.resize_2.mode for plan in plans])
    x = _noisy(x, sizes, [plan.noise_2 for plan in plans])
    if plans[0].jpeg_last:
        x, sizes = _to_lr_size(plans, x, sizes)
    x = _through_codec(plans, x, sizes)
    x = jpeg.compressed(x, sizes, [plan.jpeg_2 for plan in plans])
    if not plans[0].jpeg_last:
        x, sizes = _to_lr_size(plans, x, sizes)
    return x.clamp(0, 1).mul(255).round().div(255)


def sharpened(x: Tensor, sizes: list[canvas.Size]) -> Tensor:
    """The unsharp mask of ``worker.sharpened`` on a canvas, one axis after the other."""
    places = torch.arange(worker.MASK_TAPS, device=x.device) - worker.MASK_TAPS // 2
    taps = torch.exp(-0.5 * (places / worker.MASK_SIGMA) ** 2)
    taps = (taps / taps.sum()).expand(len(x), -1)

    def smoothed(y: Tensor) -> Tensor:
        return canvas.filtered(canvas.filtered(y, sizes, taps[:, None]), sizes, taps[:, :, None])

    detail = x - smoothed(x)
    share = smoothed((detail.abs() > worker.MASK_THRESHOLD).float())
    return x + share * ((x + worker.MASK_WEIGHT * detail).clamp(0, 1) - x)


def _blurred(x: Tensor, sizes: list[canvas.Size], blurs: list[Blur | None]) -> Tensor:
    if not any(blurs):
        return x
    return canvas.filtered(x, sizes, torch.from_numpy(kernels(blurs)).to(x.device))


def _resized(
    x: Tensor, sizes: list[canvas.Size], wanted: list[canvas.Size], modes: list[str]
) -> tuple[Tensor, list[canvas.Size]]:
    return canvas.resized(x, sizes, wanted, modes), wanted


def _noisy(x: Tensor, sizes: list[canvas.Size], noises: list[Noise]) -> Tensor:
    return add_noise(x, noises, canvas.inside(x, sizes))


def _to_lr_size(plans: list[Plan], x: Tensor, sizes: list[canvas.Size]) -> tuple[Tensor, list[canvas.Size]]:
    x, sizes = _resized(x, sizes, [plan.lr_size for plan in plans], [plan.last_mode for plan in plans])
    return _blurred(x, sizes, [plan.last_sinc for plan in plans]), sizes


def _through_codec(plans: list[Plan], x: Tensor, sizes: list[canvas.Size]) -> Tensor:
    for index, (plan, (height, width)) in enumerate(zip(plans, sizes, strict=True)):
        if plan.codec is not None:
            picture = pass_codec(to_picture(x[index, :, :height, :width]), plan.codec)
            x[index, :, :height, :width] = to_tensor(picture).to(x.device)
    return x


def _flags(values: list[bool], x: Tensor) -> Tensor:
    return torch.tensor(values, device=x.device).view(-1, 1, 1, 1)


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """No autocast and no TF32: half precision would be coarser than the 8-bit grid."""
    with ExitStack() as stack:
        stack.enter_context(torch.autocast(device.type, enabled=False))
        if device.type == "cuda":
            cudnn = torch.backends.cudnn
            stack.enter_context(cudnn.flags(enabled=cudnn.enabled, benchmark=False, allow_tf32=False))
            matmul, kept = torch.backends.cuda.matmul, torch.backends.cuda.matmul.allow_tf32
            stack.callback(setattr, matmul, "allow_tf32", kept)
            matmul.allow_tf32 = False
        yield
