"""A short clip at every key frame, for motion experts whose rows stand beside those of the key frames."""

from datamodules.video.draw import Draw
from datamodules.video.parameters import check_at_least
from datamodules.video.samplers import FrameSampler
from datamodules.video.timeline import Timeline


class ClipsAt(FrameSampler):
    """Consecutive frames from each key frame on: clip after clip, ``length`` frames each.

    With one key frame a second this is how RQ-VQA cuts its clips for SlowFast. Where the video ends within a clip, its
    last frame repeats.

    Args:
        keys: Chooses the first frame of every clip.
        length: Frames of a clip.
        step: Distance of neighbouring frames, in stored frames.
    """

    def __init__(self, keys: FrameSampler, length: int = 32, step: int = 1) -> None:
        check_at_least(1, length=length, step=step)
        self.keys, self.length, self.step = keys, length, step
        self.count = keys.count * length

    def indices(self, timeline: Timeline, draw: Draw) -> list[int]:
        """Frames of the clips; see the base class."""
        last = len(timeline) - 1
        starts = self.keys.indices(timeline, draw)
        return [min(start + place * self.step, last) for start in starts for place in range(self.length)]
