"""Training samples of super-resolution: a window of HR, with LR from its file or made by a degradation."""

from typing import Any

import numpy as np
import torch

from datamodules.image.crop import Crop
from datamodules.image.degradation import Degradation
from datamodules.image.files import ImageFiles
from datamodules.image.sizes import ratio_fault
from datamodules.video.draw import Draw
from records.images import UnreadableImage, read_image, to_tensor


class TrainingCrops:
    """Cuts, turns and mirrors LR and HR alike, as drawn from (seed, epoch, id).

    Args:
        crop: Side of the window of HR, pixels, a multiple of ``scale``.
        scale: Sides of HR over those of LR.
        seed: Seed of the run.
        degradation: Makes LR of the window of HR; None takes the LR files.
        degrade_pairs: Degrade also the HR of pairs; else those keep their LR files.
        on_device: Leave the work to the device: ``lr`` is empty and ``plans`` says what is to be done.
    """

    def __init__(
        self,
        crop: int,
        scale: int,
        seed: int,
        degradation: Degradation | None = None,
        degrade_pairs: bool = True,
        on_device: bool = False,
    ) -> None:
        self.crop, self.scale, self.seed = crop, scale, seed
        self.degradation, self.degrade_pairs, self.on_device = degradation, degrade_pairs, on_device

    def __call__(self, image: ImageFiles, epoch: int) -> dict[str, Any]:
        """Make one sample.

        Returns:
            ``id``, ``lr`` (3, crop / scale, crop / scale) and ``hr`` (3, crop, crop), float32 in [0, 1]; on the device
            also ``plans``, a plan's record, or None where ``lr`` is there.

        Raises:
            UnreadableImage: A file gives no picture, or a pair does not fit.
        """
        draw = Draw(seed=self.seed, epoch=epoch, id=image.id, train=True)
        assert image.hr is not None
        hr = read_image(image.hr)
        plan = None
        if self.degradation is None or (image.lr and not self.degrade_pairs):
            assert image.lr is not None
            lr = read_image(image.lr)
            refuse_misfit(lr, hr, self.scale)
            window = Crop.drawn(draw, lr.shape[:2], self.crop // self.scale)
            lr, hr = window.cut(lr), window.enlarged(self.scale).cut(hr)
        else:
            hr = Crop.drawn(draw, hr.shape[:2], self.crop).cut(hr)
            plan = self.degradation.plan(self.seed, epoch, image.id, hr.shape[:2])
            side = self.crop // self.scale
            lr = np.zeros((side, side, 3), np.uint8) if self.on_device else self.degradation.apply(plan, hr)
        sample = {"id": image.id, "lr": to_tensor(lr), "hr": to_tensor(hr)}
        return sample | {"plans": plan and plan.record()} if self.on_device else sample


class WholeImages:
    """Whole images for evaluation, a batch of one each; HR without LR is degraded in one and the same way in every run.

    Args:
        degradation: Makes LR where there is only HR.
    """

    def __init__(self, degradation: Degradation | None = None) -> None:
        self.degradation = degradation

    def __call__(self, image: ImageFiles, epoch: int = 0) -> dict[str, Any]:
        """Make one batch.

        Returns:
            ``id``, ``domain`` and ``content`` (lists of one), ``scale``, ``lr`` (1, 3, h, w) and, where there is a
            truth, ``hr`` (1, 3, h * scale, w * scale), float32 in [0, 1].

        Raises:
            UnreadableImage: A file gives no picture, or a pair does not fit.
        """
        hr = None if image.hr is None else read_image(image.hr)
        if image.lr is not None:
            lr = read_image(image.lr)
            if hr is not None:
                refuse_misfit(lr, hr, image.scale)
        else:
            assert hr is not None and self.degradation is not None
            height, width = (side // image.scale * image.scale for side in hr.shape[:2])
            if not height or not width:
                raise UnreadableImage(f"{hr.shape[1]}x{hr.shape[0]} pixels are too few for scale {image.scale}")
            hr = np.ascontiguousarray(hr[:height, :width])
            lr = self.degradation.apply(self.degradation.plan(0, 0, image.id, (height, width)), hr)
        pictures: dict[str, torch.Tensor] = {"lr": to_tensor(lr)[None]}
        if hr is not None:
            pictures["hr"] = to_tensor(hr)[None]
        names = {"id": [image.id], "domain": [image.domain], "content": [image.content], "scale": image.scale}
        return names | pictures


def refuse_misfit(lr: np.ndarray, hr: np.ndarray, scale: int) -> None:
    """Refuse a pair whose sizes, unknown from the headers or changed since, do not fit.

    Raises:
        UnreadableImage: Says both sizes.
    """
    fault = ratio_fault(lr.shape[:2], hr.shape[:2], scale)
    if fault:
        raise UnreadableImage(fault)
