"""Published figures of the KVQ challenge, with the data they were reached on and where they stand."""

from typing import NamedTuple

KVQ_TEST = "KVQ test, 854 videos"
# The names in the test list that the challenge hands out.
KVQ_TEST_IDS = frozenset(f"test/{number:04d}.mp4" for number in range(1, 855))

_TABLE_2024 = "RQ-VQA README (github.com/sunwei925/RQ-VQA)"
_REPORT_2025 = "NTIRE 2025 challenge report (Li et al., CVPR Workshops 2025)"


class Published(NamedTuple):
    """One published result.

    Attributes:
        system: Name of team or method.
        year: Year of the challenge.
        data: Data the figures were reached on.
        srocc: Spearman's correlation; None where unknown, as below.
        plcc: Pearson's correlation.
        rank_nonsource: Accuracy on pairs of two contents (``rank1`` in the tables).
        rank_source: Accuracy on pairs of one content (``rank2``).
        final: The challenge's score.
        at_least: ``final`` is a lower bound: only "above" was published.
        source: Where the figures stand.
    """

    system: str
    year: int
    data: str
    srocc: float | None
    plcc: float | None
    rank_nonsource: float | None
    rank_source: float | None
    final: float
    at_least: bool
    source: str


KVQ = (
    Published("RQ-VQA", 2024, KVQ_TEST, 0.9361, 0.9359, 0.7792, 0.8284, 0.9228, False, _TABLE_2024),
    Published("IH-VQA", 2024, KVQ_TEST, 0.9298, 0.9325, 0.7013, 0.8284, 0.9145, False, _TABLE_2024),
    Published("TVQE", 2024, KVQ_TEST, 0.9268, 0.9312, 0.6883, 0.8284, 0.9120, False, _TABLE_2024),
    Published("BDVQAGroup", 2024, KVQ_TEST, 0.9275, 0.9211, 0.7489, 0.8462, 0.9116, False, _TABLE_2024),
    Published("VideoFusion", 2024, KVQ_TEST, 0.9026, 0.9071, 0.7186, 0.8580, 0.8932, False, _TABLE_2024),
    Published("SharpMind", 2025, KVQ_TEST, None, None, None, None, 0.922, False, _REPORT_2025),
    Published("TenVQA", 2025, KVQ_TEST, None, None, None, None, 0.90, True, _REPORT_2025),
)


def beside(published: Published, interval: tuple[float, float] | None, same_data: bool) -> str:
    """How a published final score stands to ours; never a rank where the data differ or the gap may be chance.

    Args:
        published: The published result.
        interval: 95 % interval of our final score, None where there is none.
        same_data: Whether ours was reached on the same files.

    Returns:
        ``other data``, ``not ranked`` (inside the interval, or no telling), ``above ours`` or ``below ours``.

    >>> beside(KVQ[0], (0.91, 0.93), True), beside(KVQ[4], (0.91, 0.93), True), beside(KVQ[4], (0.91, 0.93), False)
    ('not ranked', 'below ours', 'other data')
    """
    if not same_data:
        return "other data"
    if interval is None:
        return "not ranked"
    low, high = interval
    if published.final > high:
        return "above ours"
    # A lower bound below ours may stand for a score above it.
    return "below ours" if published.final < low and not published.at_least else "not ranked"
