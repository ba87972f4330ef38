"""The challenge's score of a set of predictions (NTIRE short-form UGC video quality assessment, KVQ)."""


def final_score(srocc: float, plcc: float, rank_nonsource: float, rank_source: float) -> float:
    """``0.45 SROCC + 0.45 PLCC + 0.05 nonsource + 0.05 source``; nan if any part is.

    PLCC is that of the raw predictions. The 2024 test pairs number 231 and 169, so one pair moves the score by 2.2e-4
    or 3.0e-4: digits beyond the fourth say nothing.

    >>> round(final_score(0.9361, 0.9359, 0.7792, 0.8284), 4)
    0.9228
    """
    return 0.45 * srocc + 0.45 * plcc + 0.05 * rank_nonsource + 0.05 * rank_source


def final_no_rank(srocc: float, plcc: float) -> float:
    """``(SROCC + PLCC) / 2``, for sets without rank pairs; not comparable with :func:`final_score`.

    >>> final_no_rank(0.5, 0.25)
    0.375
    """
    return (srocc + plcc) / 2
