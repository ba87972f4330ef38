"""Which frames of a video are looked at: samplers in seconds, so that variable frame rates come out right."""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np

from datamodules.video.draw import Draw
from datamodules.video.parameters import Parameterised, check_above_zero, check_at_least
from datamodules.video.timeline import Timeline

# Containers that store milliseconds move a frame by half of one; an instant midway between two frames must not
# change sides for that.
_TIE_S = 1e-3


class FrameSampler(Parameterised, ABC):
    """Chooses ``count`` frames of a video; short videos repeat frames, none is too short."""

    count: int

    @abstractmethod
    def indices(self, timeline: Timeline, draw: Draw) -> list[int]:
        """Choose the frames.

        Args:
            timeline: Presentation times of the video, at least one frame.
            draw: Random draws; a sampler without randomness ignores it.

        Returns:
            ``count`` frame indices, each in ``[0, len(timeline))``.
        """


class OnePerSecond(FrameSampler):
    """Key frames at seconds 0, 1, 2 ... from the start: the sampling of RQ-VQA, in seconds instead of frame counts.

    A longer video is judged on its beginning. A shorter one repeats the last frame taken.

    Args:
        count: Number of frames.
        stride: Keep every stride-th of the one-per-second frames: 2 takes seconds 0, 2, 4 ... (E-VQA takes 4 so).
        phase: Seconds added to each instant; 0.5 takes the middle of every second, as E-VQA's test script does.
    """

    def __init__(self, count: int = 8, stride: int = 1, phase: float = 0.0) -> None:
        check_at_least(1, count=count, stride=stride)
        if not 0 <= phase < 1:
            raise ValueError(f"phase must be a number of seconds in [0, 1), not {phase}")
        self.count, self.stride, self.phase = count, stride, phase

    def indices(self, timeline: Timeline, draw: Draw) -> list[int]:
        """Frames nearest to the first seconds; see the base class."""
        last = _last_second(timeline, self.phase)
        # The list is filled up before it is thinned: 3.5 s with stride 2 give seconds 0, 2, 3, 3.
        return nearest(timeline, self.phase + np.minimum(np.arange(self.count) * self.stride, last))


class OnePerSecondFull(FrameSampler):
    """One frame per second over the whole video, thinned evenly to ``count``.

    Equals :class:`OnePerSecond` on videos of up to ``count`` seconds, and covers longer ones to their end.

    Args:
        count: Number of frames.
    """

    def __init__(self, count: int = 8) -> None:
        check_at_least(1, count=count)
        self.count = count

    def indices(self, timeline: Timeline, draw: Draw) -> list[int]:
        """Frames nearest to evenly spread whole seconds; see the base class."""
        last = _last_second(timeline, 0.0)
        slots = np.arange(self.count)
        if last < self.count:
            return nearest(timeline, np.minimum(slots, last))
        return nearest(timeline, (2 * slots + 1) * (last + 1) // (2 * self.count))


class Uniform(FrameSampler):
    """The centres of ``count`` equal parts of the duration: ``t_i = (i + 0.5) / count * duration``.

    Args:
        count: Number of frames.
    """

    def __init__(self, count: int = 8) -> None:
        check_at_least(1, count=count)
        self.count = count

    def indices(self, timeline: Timeline, draw: Draw) -> list[int]:
        """Frames nearest to the centres; see the base class."""
        return nearest(timeline, (np.arange(self.count) + 0.5) / self.count * timeline.duration)


class Clip(FrameSampler):
    """A run of frames at a steady step, or one such run in each of several equal parts of the video.

    Evaluation takes the middle of each part, training a random place in it. Where a run is longer than the rest of the
    video the last frame repeats, so the step never changes.

    Args:
        count: Number of frames, all runs together.
        step: Distance of neighbouring frames, in ``unit``.
        unit: ``seconds`` is the same motion at every frame rate; ``frames`` counts stored frames, as FAST-VQA does
            (its clip is 32 frames, step 2).
        parts: Number of runs; FasterVQA takes 8 runs of 4 frames. Must divide ``count``.
    """

    def __init__(
        self, count: int = 32, step: float = 2.0, unit: Literal["seconds", "frames"] = "frames", parts: int = 1
    ) -> None:
        check_at_least(1, count=count, parts=parts)
        check_above_zero(unit, step=step)
        if count % parts:
            raise ValueError(f"count must be a multiple of parts, not {count} with {parts} parts")
        if unit == "frames" and step != int(step):
            raise ValueError(f"step must be a whole number of frames, not {step}")
        self.count, self.step, self.unit, self.parts = count, step, unit, parts

    def indices(self, timeline: Timeline, draw: Draw) -> list[int]:
        """Frames of the runs; see the base class."""
        in_frames = self.unit == "frames"
        part = (len(timeline) if in_frames else timeline.duration) / self.parts
        per_run = self.count // self.parts
        slack = max(0.0, part - per_run * self.step)
        starts = np.arange(self.parts) * part + np.array(draw.uniform("clip", self.parts)) * slack
        if in_frames:
            wanted = starts[:, None] + np.arange(per_run) * self.step
            return np.clip(wanted, 0, len(timeline) - 1).astype(int).ravel().tolist()
        return nearest(timeline, (starts[:, None] + (np.arange(per_run) + 0.5) * self.step).ravel())


def nearest(timeline: Timeline, seconds: np.ndarray) -> list[int]:
    """Index of the frame whose time is nearest to each instant; midway, the earlier one.

    Args:
        timeline: Presentation times, at least one frame.
        seconds: (n,) instants; those outside the video give its first or last frame.
    """
    times = np.asarray(timeline.times, dtype=np.float64)
    middles = (times[1:] + times[:-1]) / 2
    return np.searchsorted(middles, seconds - _TIE_S, side="left").tolist()


def _last_second(timeline: Timeline, phase: float) -> int:
    """The largest whole s for which the instant ``s + phase`` has a frame of its own; 0 for a shorter video.

    An instant counts up to half a mean frame interval after the last frame: 240 frames at 29.97 per second are eight
    seconds, not nine.
    """
    half_interval = timeline.duration / len(timeline) / 2
    return max(0, int(np.floor(float(timeline.times[-1]) + half_interval - _TIE_S - phase)))
