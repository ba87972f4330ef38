"""The fast way of SlowFast alone: half a million parameters that see motion."""

from torch import Tensor

from models.vqa.clip_branch import ClipBranch
from models.vqa.slowfast import DEPTHS, LEFT_OUT, fast_pathway, published_name
from models.vqa.video_weights import load_published


class FastPath(ClipBranch):
    """One token for a clip from the fast way of SlowFast R50: 256 features, 5.28 GMACs at 32x224x224.

    Args:
        weights: Local file of PyTorchVideo's ``SLOWFAST_8x8_R50`` (Kinetics-400), of which the fast way's tensors are
            taken; null begins with random weights.
        width: Channels of the stem, 8 as published; a token has 32 times as many features. Less makes a small network
            for tests, which no published file fits.
        depths: Blocks of each of the four stages, ``[3, 4, 6, 3]`` as published.
        chunk: Clips in one pass in evaluation, which bounds its memory; null for the whole batch.
    """

    def __init__(
        self,
        weights: str | None = None,
        width: int = 8,
        depths: tuple[int, int, int, int] = DEPTHS,
        chunk: int | None = None,
    ) -> None:
        super().__init__((255 * 0.45,), (255 * 0.225,), chunk)
        if min(width, *depths) < 1:
            raise ValueError(f"width {width} and depths {list(depths)} must be at least 1")
        self.weights = weights
        self.trunk = fast_pathway(width, depths)
        self.width = self.trunk.width

    def tokens(self, clips: Tensor) -> Tensor:
        """One token a clip; see the base class."""
        return self.trunk(clips).mean((2, 3, 4)).unsqueeze(1)

    def load_pretrained(self) -> str | None:
        """Load the fast way's tensors; see the base class."""
        if self.weights is not None:
            slow = r"blocks\.\d\.multipathway_(blocks\.0|fusion)\."
            load_published(
                self.trunk,
                self.weights,
                "PyTorchVideo's SLOWFAST_8x8_R50",
                lambda name: published_name(f"fast.{name}"),
                f"{slow}|{LEFT_OUT}",
            )
        return self.weights
