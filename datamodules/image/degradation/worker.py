"""The stages of a degradation on one picture, by OpenCV and real codecs; float32 (h, w, 3) RGB in about [0, 1]."""

import functools
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F

from datamodules.image.degradation.kernels import kernel
from datamodules.image.degradation.noise import add_noise
from datamodules.image.degradation.plan import Blur, Noise

# Real-ESRGAN's unsharp mask: OpenCV's sigma for 51 taps, half of the detail added where it exceeds 10 levels.
MASK_TAPS, MASK_SIGMA, MASK_WEIGHT, MASK_THRESHOLD = 51, 8.0, 0.5, 10 / 255


@functools.cache
def opencv() -> ModuleType:
    """OpenCV on one thread: workers are many, and their pools would fight for the processors."""
    import cv2

    cv2.setNumThreads(1)
    return cv2


def sharpened(x: np.ndarray) -> np.ndarray:
    """Unsharp mask where there is detail, its edges softened."""
    detail = x - _smoothed(x)
    share = _smoothed((np.abs(detail) > MASK_THRESHOLD).astype(np.float32))
    sharp = np.clip(x + MASK_WEIGHT * detail, 0, 1)
    return x + share * (sharp - x)


def blurred(x: np.ndarray, blur: Blur | None) -> np.ndarray:
    """Filter with a kernel; the picture is mirrored at its edges."""
    return x if blur is None else opencv().filter2D(x, -1, kernel(blur))


def resized(x: np.ndarray, size: tuple[int, int], mode: str) -> np.ndarray:
    """Resize to (height, width) without antialiasing, as PyTorch understands ``mode``."""
    cv2 = opencv()
    if x.shape[:2] == size:
        return x
    if mode == "area":
        # OpenCV's INTER_AREA weighs pixels by the covered part, the reference takes them whole or not at all.
        pooled = F.adaptive_avg_pool2d(torch.from_numpy(x).permute(2, 0, 1), size)
        return pooled.permute(1, 2, 0).contiguous().numpy()
    interpolation = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}[mode]
    return cv2.resize(x, size[::-1], interpolation=interpolation)


def noisy(x: np.ndarray, noise: Noise) -> np.ndarray:
    """Add one layer of noise and clip."""
    planes = torch.from_numpy(x).permute(2, 0, 1)[None]
    return add_noise(planes, [noise])[0].permute(1, 2, 0).contiguous().numpy()


def compressed(x: np.ndarray, quality: int) -> np.ndarray:
    """Write and read a JPEG of 4:2:0."""
    cv2 = opencv()
    _, data = cv2.imencode(".jpg", cv2.cvtColor(to_bytes(x), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return to_floats(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


def to_bytes(x: np.ndarray) -> np.ndarray:
    """Round to uint8."""
    return np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)


def to_floats(x: np.ndarray) -> np.ndarray:
    """Uint8 to float32 in [0, 1]."""
    return x.astype(np.float32) * np.float32(1 / 255)


def _smoothed(x: np.ndarray) -> np.ndarray:
    return opencv().GaussianBlur(x, (MASK_TAPS, MASK_TAPS), MASK_SIGMA)
