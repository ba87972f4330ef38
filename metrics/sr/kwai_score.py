"""The challenge's one number, PSNR + 10 SSIM - 10 LPIPS + 0.1 MUSIQ + 10 MANIQA + 10 CLIPIQA, and what it lacks."""

from collections.abc import Mapping
from typing import NamedTuple

# Weights of ``score_release.py`` in the NTIRE 2025 repository; also arXiv 2504.09887.
TERMS = {"psnr": 1.0, "ssim": 10.0, "lpips": -10.0, "musiq": 0.1, "maniqa": 10.0, "clipiqa": 10.0}


class KwaiScore(NamedTuple):
    """A whole score or a partial one, never both: they are no numbers of one kind.

    Attributes:
        score: All six terms summed; None where one is missing.
        partial: The terms that exist summed; None where all do, or none does.
        missing: Names of the terms that do not exist.
    """

    score: float | None
    partial: float | None
    missing: list[str]


def kwai_score(values: Mapping[str, float | None]) -> KwaiScore:
    """Sum the terms.

    Args:
        values: Mean of each metric: PSNR in dB, MUSIQ in 0 to 100, the others in 0 to 1. Absent ones are None or not
            there; names beyond the six are passed over.

    >>> kwai_score({"psnr": 25.0, "ssim": 0.7, "lpips": 0.3, "musiq": 60.0, "maniqa": 0.4, "clipiqa": 0.5}).score
    44.0
    >>> kwai_score({"psnr": 25.0, "ssim": 0.7})
    KwaiScore(score=None, partial=32.0, missing=['lpips', 'musiq', 'maniqa', 'clipiqa'])
    """
    known = {name: value for name in TERMS if (value := values.get(name)) is not None}
    missing = [name for name in TERMS if name not in known]
    total = sum(TERMS[name] * value for name, value in known.items()) if known else None
    return KwaiScore(None, total, missing) if missing else KwaiScore(total, None, [])
