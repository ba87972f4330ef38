"""Degradation: what turns a high-resolution picture into a low-resolution one, drawn and done in a worker."""

from dataclasses import replace

import numpy as np

from datamodules.image.degradation import codec as codecs
from datamodules.image.degradation import worker
from datamodules.image.degradation.draw import draw_plan
from datamodules.image.degradation.plan import Plan
from datamodules.image.degradation.presets import PRESETS, PresetName, with_ranges
from records.errors import UserError

_KEYS = "data.init_args.degradation.init_args"


class Degradation:
    """Second-order degradation of Real-ESRGAN with the published ranges, and a video codec.

    :meth:`plan` draws, :meth:`apply` follows a plan with OpenCV, a real JPEG codec and a real video codec. Equal plans
    give equal pictures bit for bit with the same libraries. ``device.DeviceDegradation`` follows the same plans on
    an accelerator.

    Args:
        preset: ``realesrgan`` and ``pisasr`` have the ranges of those projects; ``kwai`` is ``pisasr`` with a passage
            through H.264 (our reading).
        scale: Divisor of both sides.
        codec: Probability of the passage through H.264; null: that of the preset.
        ranges: Ranges to replace, for example ``{"second.jpeg": [40, 90], "crf": [23, 34]}``.
    """

    def __init__(
        self,
        preset: PresetName = "kwai",
        scale: int = 4,
        codec: float | None = None,
        ranges: dict[str, tuple[float, float]] | None = None,
    ) -> None:
        if preset not in PRESETS:
            mend = f"choose one of {', '.join(PRESETS)}"
            raise UserError(f"no degradation {preset!r}", where=f"{_KEYS}.preset", mend=mend)
        if scale < 1:
            raise UserError(f"{scale} is below 1", where=f"{_KEYS}.scale", mend="give 4, as KwaiSR has it")
        self.preset = with_ranges(PRESETS[preset], ranges or {})
        if codec is not None:
            if not 0 <= codec <= 1:
                mend = "give a number from 0 to 1"
                raise UserError(f"{codec:g} is no probability", where=f"{_KEYS}.codec", mend=mend)
            self.preset = replace(self.preset, codec=codec)
        if self.preset.codec:
            codecs.encoder()  # a missing encoder is told here, not by every worker
        self.scale = scale

    def plan(self, seed: int, epoch: int, id: str, size: tuple[int, int]) -> Plan:
        """Draw everything that happens to one picture.

        Args:
            seed: Seed of the run.
            epoch: Epoch; another one degrades the same picture in another way.
            id: Id of the picture.
            size: Its height and width, multiples of ``scale``.

        Raises:
            UserError: The sides are no multiples of ``scale``, so no low-resolution picture would lie on them.
        """
        height, width = int(size[0]), int(size[1])
        if min(height, width) < 1 or height % self.scale or width % self.scale:
            raise UserError(
                f"sides of {height}x{width} are no multiples of scale {self.scale}", where=id, mend="cut the picture"
            )
        return draw_plan(self.preset, self.scale, seed, epoch, id, (height, width))

    def apply(self, plan: Plan, hr: np.ndarray) -> np.ndarray:
        """Follow a plan on the CPU.

        Args:
            plan: What to do.
            hr: uint8 (h, w, 3) RGB of the size that the plan was drawn for.

        Returns:
            uint8 (h / scale, w / scale, 3).
        """
        return degrade(plan, hr)


def degrade(plan: Plan, hr: np.ndarray) -> np.ndarray:
    """Follow a plan on the CPU; see :meth:`Degradation.apply`. A recorded plan needs no Degradation.

    Raises:
        ValueError: A picture of another size or type than the plan is for.
    """
    if hr.dtype != np.uint8 or hr.shape != (*plan.size, 3):
        raise ValueError(f"the plan is for uint8 {(*plan.size, 3)}, the picture is {hr.dtype} {hr.shape}")
    x = worker.to_floats(hr)
    if plan.sharpen:
        x = worker.sharpened(x)
    x = worker.blurred(x, plan.blur_1)
    x = worker.resized(x, plan.size_1, plan.resize_1.mode)
    x = worker.noisy(x, plan.noise_1)
    x = worker.compressed(x, plan.jpeg_1)
    x = worker.blurred(x, plan.blur_2)
    x = worker.resized(x, plan.size_2, plan.resize_2.mode)
    x = worker.noisy(x, plan.noise_2)
    if plan.jpeg_last:
        x = _to_lr_size(plan, x)
    if plan.codec is not None:
        x = worker.to_floats(codecs.pass_codec(worker.to_bytes(x), plan.codec))
    x = worker.compressed(x, plan.jpeg_2)
    if not plan.jpeg_last:
        x = _to_lr_size(plan, x)
    return worker.to_bytes(x)


def _to_lr_size(plan: Plan, x: np.ndarray) -> np.ndarray:
    return worker.blurred(worker.resized(x, plan.lr_size, plan.last_mode), plan.last_sinc)
