"""SlowFast on the clips of a video: the motion expert."""

from typing import Literal

import torch
from torch import Tensor

from models.vqa.clip_branch import ClipBranch
from models.vqa.slowfast import ALPHA, DEPTHS, LEFT_OUT, RATIO, SlowFast, published_name
from models.vqa.video_weights import load_published


class SlowFastClips(ClipBranch):
    """One token for each clip from SlowFast R50 (8x8): 50.3 GMACs a clip of 32x224x224 in all.

    Args:
        output: ``fast`` gives 256 features, ``slow`` 2048, ``both`` 2304, the slow ones first. What the output does
            not need is left out: the fast way alone costs 5.28 GMACs a clip, the slow one with what it needs 49.7.
        length: Frames of a clip; the view holds a whole number of clips, one after the other.
        weights: Local file of PyTorchVideo's ``SLOWFAST_8x8_R50`` (Kinetics-400); null begins with random weights.
        width: Channels of the slow way's stem, 64 as published; a multiple of 8. Less makes a small network for tests,
            which no published file fits.
        depths: Blocks of each of the four stages, ``[3, 4, 6, 3]`` as published.
        chunk: Clips in one pass in evaluation, which bounds its memory; null for all at once.
    """

    def __init__(
        self,
        output: Literal["fast", "slow", "both"] = "fast",
        length: int = 32,
        weights: str | None = None,
        width: int = 64,
        depths: tuple[int, int, int, int] = DEPTHS,
        chunk: int | None = None,
    ) -> None:
        super().__init__((255 * 0.45,), (255 * 0.225,), chunk)
        if length < ALPHA or length % ALPHA:
            raise ValueError(
                f"length must be a multiple of {ALPHA}, as the slow way sees every {ALPHA}th frame, not {length}"
            )
        if width < RATIO or width % RATIO or min(depths) < 1:
            raise ValueError(f"width {width} must be a multiple of {RATIO} and depths {list(depths)} at least 1")
        self.output, self.length, self.weights = output, length, weights
        self.trunk = SlowFast(width, depths, fast_end=output != "slow")
        if output == "fast":
            del self.trunk.slow, self.trunk.laterals
        widths = {"slow": 32 * width, "fast": 32 * width // RATIO}
        self.width = sum(widths.values()) if output == "both" else widths[output]

    def clips_of(self, time: int) -> int:
        """Number of clips in a view of ``time`` frames."""
        return time // self.length

    def tokens(self, clips: Tensor) -> Tensor:
        """One token a clip; see the base class."""
        if self.output == "fast":
            return self.trunk.fast(clips).mean((2, 3, 4)).unsqueeze(1)
        slow, fast = self.trunk(clips)
        return (slow if self.output == "slow" else torch.cat([slow, fast], dim=1)).unsqueeze(1)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse frames that are no whole number of clips; see the base class."""
        super().check(shape)
        if shape[0] < self.length or shape[0] % self.length:
            raise ValueError(f"reads clips of {self.length} frames and its view makes {shape[0]}, no multiple of it")

    def load_pretrained(self) -> str | None:
        """Load the tensors that the output needs; see the base class."""
        if self.weights is not None:
            unused = {
                "fast": r"blocks\.\d\.multipathway_(blocks\.0|fusion)\.|",
                "slow": r"blocks\.4\.multipathway_blocks\.1\.|",
                "both": "",
            }
            left_out = unused[self.output] + LEFT_OUT
            load_published(self.trunk, self.weights, "PyTorchVideo's SLOWFAST_8x8_R50", published_name, left_out)
        return self.weights
