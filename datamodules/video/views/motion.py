"""A dense clip for motion branches."""

from typing import Literal

from datamodules.video.parameters import check_above_zero, check_at_least
from datamodules.video.samplers import Clip, Uniform
from datamodules.video.views.key_frames import KeyFrames


class MotionClip(KeyFrames):
    """Evenly spaced frames of a stretch of time: uint8 (length, 3, size, size).

    The stretch is given in seconds, so the same motion gives the same clip at 24 and at 60 frames per second.
    Evaluation takes the centre of the video, training starts anywhere. A shorter video keeps the spacing and repeats
    its last frame.

    Args:
        length: Number of frames.
        span_s: Seconds that the clip covers; null spreads the frames over the whole video.
        size: Height and width to make, pixels.
        resize: ``stretch`` resizes both sides to ``size``, as SlowFast's quality extractors do; ``short`` resizes the
            short side and crops.
        flip: Mirror half of the videos in training.
    """

    def __init__(
        self,
        length: int = 32,
        span_s: float | None = 2.0,
        size: int = 224,
        resize: Literal["stretch", "short"] = "stretch",
        flip: bool = True,
    ) -> None:
        check_at_least(1, length=length)
        if span_s is None:
            sampler: Clip | Uniform = Uniform(length)
        else:
            check_above_zero("seconds", span_s=span_s)
            sampler = Clip(length, span_s / length, unit="seconds")
        super().__init__(sampler, size, resize, flip=flip)
        self.length, self.span_s = length, span_s
