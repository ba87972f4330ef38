"""Plans on packet tables written by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.video.packets import PacketTable
from datamodules.video.plan import Segment, plan


def table(pts: list[int], keys: list[int], hidden: tuple[int, ...] = ()) -> PacketTable:
    count = len(pts)
    return PacketTable(
        pts=np.array(pts),
        dts=np.arange(count),
        durations=np.ones(count, np.int64),
        sizes=np.full(count, 100),
        keys=np.isin(np.arange(count), keys),
        shown=~np.isin(np.arange(count), hidden),
        time_base=0.1,
        container="mov",
        truncated=False,
        doubt="",
    )


def runs(segments: list[Segment]) -> list[tuple[int, int]]:
    return [(segment.start, segment.stop) for segment in segments]


def test_a_frame_needs_the_packets_from_its_key_frame() -> None:
    closed = table(list(range(12)), [0, 4, 8])
    assert runs(plan(closed, [6])) == [(4, 6)]
    assert runs(plan(closed, [0, 1])) == [(0, 1)]
    assert runs(plan(closed, [1, 10])) == [(0, 1), (8, 10)]


def test_frames_of_one_group_share_a_run_and_runs_that_meet_are_joined() -> None:
    closed = table(list(range(12)), [0, 4, 8])
    assert runs(plan(closed, [4, 5, 7])) == [(4, 7)]
    assert runs(plan(closed, [3, 4])) == [(0, 4)]
    assert plan(closed, [5, 7])[0].wanted == {5, 7}


def test_packets_are_found_by_time_of_showing_not_by_place() -> None:
    # I P B B: stored 0 3 1 2
    reordered = table([0, 3, 1, 2, 4, 7, 5, 6], [0, 4])
    assert reordered.order.tolist() == [0, 2, 3, 1, 4, 6, 7, 5]
    assert runs(plan(reordered, [1])) == [(0, 2)]
    assert runs(plan(reordered, [3])) == [(0, 1)]
    assert runs(plan(reordered, [7])) == [(4, 5)]


def test_a_leading_frame_is_decoded_from_the_key_frame_before() -> None:
    # An open group: the key frame stored fourth is shown after the two frames stored behind it.
    opened = table([0, 2, 1, 5, 3, 4, 7, 6], [0, 3])
    assert opened.leading.tolist() == [False] * 4 + [True, True, False, False]
    assert runs(plan(opened, [3])) == [(0, 4)]
    assert runs(plan(opened, [5])) == [(3, 3)]
    assert runs(plan(opened, [3, 6])) == [(0, 7)]


def test_frames_cut_off_by_an_edit_list_are_decoded_but_not_counted() -> None:
    edited = table(list(range(-2, 4)), [0], hidden=(0, 1))
    assert edited.order.tolist() == [2, 3, 4, 5]
    assert runs(plan(edited, [0])) == [(0, 2)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[PacketTable, list[int]]:
    """Groups of pictures with reordered, partly leading frames; and wanted indices."""
    pts: list[int] = []
    keys = []
    for _ in range(draw(st.integers(1, 5))):
        base = max(pts, default=-1) + 1
        size = draw(st.integers(1, 7))
        leading = draw(st.integers(0, min(3, size - 1))) if pts else 0
        keys.append(len(pts))
        pts.append(base + leading)
        pts += draw(st.permutations(range(base, base + leading)))
        pts += draw(st.permutations(range(base + leading + 1, base + size)))
    wanted = draw(st.sets(st.integers(0, len(pts) - 1), min_size=1))
    return table(pts, keys), sorted(wanted)


@given(streams())
def test_every_plan_reaches_every_frame_in_order_with_all_it_needs(case: tuple[PacketTable, list[int]]) -> None:
    packets, indices = case
    segments = plan(packets, indices)
    wanted = [int(packets.order[index]) for index in indices]
    covered = [packet for segment in segments for packet in wanted if packet in segment.wanted]
    assert covered == wanted  # once each, in the order of showing
    for before, after in pairwise(segments):
        assert before.stop < after.start - 1
    for segment in segments:
        assert packets.keys[segment.start]
        assert segment.stop == max(segment.wanted)
        for packet in segment.wanted:
            assert segment.start <= packets.key_of[packet] <= packet


@pytest.mark.parametrize("indices", [[], [0]])
def test_empty_and_single(indices: list[int]) -> None:
    assert runs(plan(table([0], [0]), indices)) == [(0, 0)] * len(indices)
