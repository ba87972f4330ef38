"""X3D on a clip: three million parameters that see motion."""

from typing import Literal

from torch import Tensor

from models.vqa.clip_branch import ClipBranch
from models.vqa.video_weights import load_published
from models.vqa.x3d import DEPTHS, LEFT_OUT, X3D, published_name


class X3DClip(ClipBranch):
    """One token of 2048 features for a clip from X3D without its classifier.

    GMACs a clip: 0.60 at 4x160x160, 1.96 at 13x160x160, 4.73 at 16x224x224, 9.48 at 32x224x224.

    Args:
        name: Published network. ``x3d_xs``, ``x3d_s`` and ``x3d_m`` are the same one with weights for clips of
            4x160x160, 13x160x160 and 16x224x224; ``x3d_l`` is deeper, for 16x312x312. Each reads any size.
        weights: Local file of PyTorchVideo's weights of that name (Kinetics-400); null begins with random weights.
        width: Channels of the stem, 24 as published; a token has 2048 / 24 times as many features. Less makes a small
            network for tests, which no published file fits.
        depths: Blocks of each of the four stages; null takes the published ones.
        chunk: Clips in one pass in evaluation, which bounds its memory; null for the whole batch.
    """

    def __init__(
        self,
        name: Literal["x3d_xs", "x3d_s", "x3d_m", "x3d_l"] = "x3d_m",
        weights: str | None = None,
        width: int = 24,
        depths: tuple[int, int, int, int] | None = None,
        chunk: int | None = None,
    ) -> None:
        super().__init__((255 * 0.45,), (255 * 0.225,), chunk)
        if name not in DEPTHS:
            raise ValueError(f"name {name!r} is unknown; known: {', '.join(DEPTHS)}")
        depths = depths or DEPTHS[name]
        if min(width, *depths) < 1:
            raise ValueError(f"width {width} and depths {list(depths)} must be at least 1")
        self.name, self.weights = name, weights
        self.width = 2048 * width // 24
        self.trunk = X3D(depths, width, self.width)

    def tokens(self, clips: Tensor) -> Tensor:
        """One token a clip; see the base class."""
        return self.trunk(clips).unsqueeze(1)

    def load_pretrained(self) -> str | None:
        """Load all tensors but the classifier's; see the base class."""
        if self.weights is not None:
            publisher = f"PyTorchVideo's {self.name.upper()}"
            load_published(self.trunk, self.weights, publisher, published_name, LEFT_OUT)
        return self.weights
