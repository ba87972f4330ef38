import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.video.draw import Draw
from datamodules.video.samplers import Clip, FrameSampler, OnePerSecond, OnePerSecondFull, Uniform, nearest
from datamodules.video.timeline import Timeline

EVAL = Draw(id="a.mp4")


def timeline(times: np.ndarray, last: float) -> Timeline:
    """A timeline whose last frame is shown for ``last`` seconds."""
    duration = float(times[-1]) + last
    fps = len(times) / duration if duration else 0.0
    return Timeline(
        times=np.asarray(times, dtype=np.float64),
        duration=duration,
        height=96,
        width=64,
        fps=fps,
        codec="h264",
        pix_fmt="yuv420p",
        size_bytes=1,
        truncated=False,
    )


def constant(frames: int, fps: float = 30.0) -> Timeline:
    return timeline(np.arange(frames) / fps, 1 / fps)


SAMPLERS: list[FrameSampler] = [
    OnePerSecond(8),
    OnePerSecond(4, stride=2),
    OnePerSecond(8, phase=0.5),
    OnePerSecondFull(8),
    Uniform(8),
    Clip(32, 2.0),
    Clip(32, 0.0667, unit="seconds"),
    Clip(32, 1.0, parts=8),
    Clip(32, 0.05, unit="seconds", parts=4),
]


@pytest.mark.parametrize("fps", [24, 25, 30, 60, 30000 / 1001, 30.02])
def test_one_per_second_equals_the_frame_count_rule_at_constant_rate(fps: float):
    # RQ-VQA: every frame whose index is a multiple of the rounded rate, the last one repeated.
    for frames in (1, 3, 59, 100, 211, 240, 400):
        taken = [i for i in range(frames) if i % round(fps) == 0]
        expected = (taken + [taken[-1]] * 8)[:8]
        assert OnePerSecond(8).indices(constant(frames, fps), EVAL) == expected


def test_one_per_second_counts_time_not_frames():
    # One second at 10 fps, then one at 50: indices say nothing about time.
    times = np.concatenate([np.arange(10) / 10, 1 + np.arange(50) / 50, 2 + np.arange(10) / 10])
    assert OnePerSecond(3).indices(timeline(times, 0.1), EVAL) == [0, 10, 60]


def test_alternating_gaps_pick_the_nearest_time():
    times = np.cumsum([0.0] + [0.02, 0.08] * 40)
    video = timeline(times, 0.02)
    for second, index in enumerate(OnePerSecond(4).indices(video, EVAL)):
        assert abs(times[index] - second) == np.abs(times - second).min()


def test_stride_thins_the_filled_list():
    assert OnePerSecond(4, stride=2).indices(constant(240), EVAL) == [0, 60, 120, 180]
    assert OnePerSecond(4, stride=2).indices(constant(105), EVAL) == [0, 60, 90, 90]


def test_phase_takes_the_middle_of_each_second():
    assert OnePerSecond(8, phase=0.5).indices(constant(240), EVAL) == [15 + 30 * s for s in range(8)]
    assert OnePerSecond(2, phase=0.5).indices(constant(3), EVAL) == [2, 2]


@pytest.mark.parametrize("fps", [24, 30, 30000 / 1001])
def test_the_full_sampler_equals_the_first_seconds_up_to_count_seconds(fps: float):
    for frames in (1, 3, 31, 100, round(8 * fps)):
        video = constant(frames, fps)
        assert OnePerSecondFull(8).indices(video, EVAL) == OnePerSecond(8).indices(video, EVAL)


def test_the_full_sampler_covers_a_long_video_evenly():
    indices = OnePerSecondFull(8).indices(constant(30 * 60), EVAL)
    assert indices == [30 * second for second in (3, 11, 18, 26, 33, 41, 48, 56)]


def test_one_second_too_many_is_thinned_to_the_end():
    indices = OnePerSecondFull(8).indices(constant(30 * 9), EVAL)
    assert indices == [30 * second for second in (0, 1, 2, 3, 5, 6, 7, 8)]


def test_uniform_takes_centres_of_equal_parts():
    assert Uniform(4).indices(constant(240), EVAL) == [30, 90, 150, 210]
    assert Uniform(3).indices(constant(3), EVAL) == [0, 1, 2]
    assert Uniform(8).indices(constant(8, 29.97), EVAL) == list(range(8))


@settings(deadline=None, max_examples=40)
@given(frames=st.integers(1, 200), wobble=st.integers(0, 10**6))
def test_millisecond_timestamps_do_not_move_samples(frames: int, wobble: int):
    # The same video in a container that stores milliseconds.
    exact = constant(frames, 30.0)
    rounded = timeline(np.round(exact.times, 3), 0.033)
    for sampler in (OnePerSecond(8), OnePerSecondFull(8), Uniform(frames)):
        assert sampler.indices(exact, EVAL) == sampler.indices(rounded, EVAL)


def test_a_clip_in_frames_is_centred_and_evenly_stepped():
    assert Clip(4, 2.0).indices(constant(20), EVAL) == [6, 8, 10, 12]
    train = [Clip(4, 2.0).indices(constant(20), Draw(0, epoch, "a", True)) for epoch in range(40)]
    assert all(np.diff(row).tolist() == [2, 2, 2] for row in train)
    assert len({row[0] for row in train}) > 5


def test_a_clip_in_seconds_has_the_same_span_at_every_rate():
    for fps in (24, 30, 60):
        video = constant(10 * fps, fps)
        times = video.times[Clip(32, 2 / 32, unit="seconds").indices(video, EVAL)]
        assert times[-1] - times[0] == pytest.approx(2 * 31 / 32, abs=1.01 / fps)
        assert (times[0] + times[-1]) / 2 == pytest.approx(5, abs=1.01 / fps)


def test_a_clip_longer_than_the_video_keeps_its_step_and_repeats_the_end():
    assert Clip(6, 2.0).indices(constant(5), EVAL) == [0, 2, 4, 4, 4, 4]
    assert Clip(4, 0.1, unit="seconds").indices(constant(5, 20), EVAL) == [1, 3, 4, 4]


def test_parts_spread_runs_over_the_video():
    indices = np.array(Clip(32, 1.0, parts=8).indices(constant(240), EVAL)).reshape(8, 4)
    assert indices[:, 0].tolist() == [30 * part + 13 for part in range(8)]
    assert (np.diff(indices, axis=1) == 1).all()


@settings(deadline=None, max_examples=150)
@given(
    sampler=st.sampled_from(SAMPLERS),
    gaps=st.lists(st.floats(1e-4, 3.0), min_size=1, max_size=60),
    seed=st.integers(0, 9),
    train=st.booleans(),
)
def test_any_video_gives_count_indices_in_range(sampler: FrameSampler, gaps: list[float], seed: int, train: bool):
    video = timeline(np.cumsum([0.0, *gaps[:-1]]), gaps[-1])
    draw = Draw(seed, 1, "a.mp4", train)
    indices = sampler.indices(video, draw)
    assert len(indices) == sampler.count
    assert all(isinstance(index, int) and 0 <= index < len(gaps) for index in indices)
    assert indices == sampler.indices(video, draw)
    if not train:
        assert indices == sampler.indices(video, Draw(seed + 1, 2, "b.mp4", False))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
@pytest.mark.parametrize("frames", [1, 3])
def test_one_and_three_frame_videos_repeat(sampler: FrameSampler, frames: int):
    indices = sampler.indices(constant(frames), EVAL)
    assert len(indices) == sampler.count
    assert set(indices) <= set(range(frames))


def test_a_still_of_no_duration_is_sampled():
    for sampler in SAMPLERS:
        assert sampler.indices(timeline(np.zeros(1), 0.0), EVAL) == [0] * sampler.count


def test_a_broken_timestamp_costs_no_memory():
    video = timeline(np.array([0.0, 0.04, 1e12]), 0.04)
    assert OnePerSecond(4).indices(video, EVAL) == [0, 1, 1, 1]
    assert len(OnePerSecondFull(4).indices(video, EVAL)) == 4


def test_nearest_prefers_the_earlier_frame_midway():
    assert nearest(constant(4, 10), np.array([-1.0, 0.05, 0.051, 0.149, 9.0])) == [0, 0, 0, 1, 3]


def test_signatures_tell_parameters_apart():
    signatures = [str(sampler.signature()) for sampler in SAMPLERS]
    assert len(set(signatures)) == len(SAMPLERS)
    assert OnePerSecond(4, 2).signature() == {
        "class": "datamodules.video.samplers.OnePerSecond",
        "count": 4,
        "stride": 2,
        "phase": 0.0,
    }


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: OnePerSecond(0), "count"),
        (lambda: OnePerSecond(8, stride=0), "stride"),
        (lambda: OnePerSecond(8, phase=1.0), "phase"),
        (lambda: OnePerSecondFull(-1), "count"),
        (lambda: Uniform(0), "count"),
        (lambda: Clip(32, 0.0), "step"),
        (lambda: Clip(32, float("nan"), unit="seconds"), "step"),
        (lambda: Clip(32, 0.5), "whole number"),
        (lambda: Clip(32, 1.0, parts=5), "multiple"),
    ],
)
def test_nonsense_is_refused_by_name(make, word: str):
    with pytest.raises(ValueError, match=word):
        make()
