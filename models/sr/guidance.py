"""The two guidances of one-step restoration."""

from collections.abc import Callable

from torch import Tensor


def guided(pix: float, sem: float, pixel: Callable[[], Tensor], both: Callable[[], Tensor]) -> Tensor:
    """``pix eps_pixel + sem (eps_both - eps_pixel)`` (PiSA-SR, arXiv 2412.03017), without forwards that cancel out.

    Args:
        pix: Guidance of fidelity.
        sem: Guidance of detail.
        pixel: Noise with the adapter ``pixel`` alone; not called where the guidances are equal.
        both: Noise with both adapters; not called where ``sem`` is 0.
    """
    if sem == 0:
        return pixel() if pix == 1 else pix * pixel()
    if pix == sem:
        return both() if pix == 1 else pix * both()
    alone = pixel()
    return pix * alone + sem * (both() - alone)
