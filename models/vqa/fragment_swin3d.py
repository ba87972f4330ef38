"""Video Swin on fragments: the trunk of FAST-VQA."""

from typing import Literal

from torch import Tensor

from models.vqa.clip_branch import ClipBranch
from models.vqa.video_weights import matched
from models.vqa.weights import read_state


class FragmentSwin3D(ClipBranch):
    """Swin3D-T with FAST-VQA's gated position bias; 43.88 GMACs a clip of 16x224x224, 87.76 of 32x224x224.

    The attention window is 8x7x7 tokens of 2x4x4 pixels whatever the clip; FAST-VQA's code narrows it for clips that
    are shorter or smaller than 32x224x224.

    Args:
        grpb: Gated relative position bias, in the first three stages. False gives torchvision's plain Swin3D-T.
        weights: Local file of FAST-VQA's ``FAST_VQA_B_1_4`` (with ``grpb``), or of torchvision's ``swin3d_t``
            (Kinetics-400), whose one table a layer then begins both; null begins with random weights.
        pool: ``mean`` averages over time, space and clips to one token a view; ``none`` keeps a token for every
            position of every clip, for ``PositionHead``.
        clips: Clips in a view, one after the other; the published test takes 4 of 32 frames.
        grid: Fragments along each side of the view, for the gate.
        drop_path: Probability of leaving out the last residual block in training, less for those before it, 0..1.
        width: Channels of the first stage, 96 as published, a multiple of 32; a token has 8 times as many features.
            Less makes a small network for tests, which no published file fits.
        depths: Blocks of each of the four stages, ``[2, 2, 6, 2]`` as published.
        chunk: Clips in one pass in evaluation, which bounds its memory; null for all at once.
    """

    def __init__(
        self,
        grpb: bool = True,
        weights: str | None = None,
        pool: Literal["mean", "none"] = "mean",
        clips: int = 1,
        grid: int = 7,
        drop_path: float = 0.1,
        width: int = 96,
        depths: tuple[int, int, int, int] = (2, 2, 6, 2),
        chunk: int | None = None,
    ) -> None:
        super().__init__((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), chunk)
        from models.vqa.swin3d import HEAD, Swin3D

        if width < HEAD or width % HEAD:
            raise ValueError(f"width {width} must be a multiple of {HEAD}, the features of an attention head")
        if min(clips, grid, *depths) < 1:
            raise ValueError(f"clips {clips}, grid {grid} and depths {list(depths)} must be at least 1")
        self.grpb, self.weights, self.pool, self.clips, self.grid = grpb, weights, pool, clips, grid
        self.trunk = Swin3D(width, depths, (grid, grid) if grpb else None, drop_path)
        self.width = self.trunk.width

    def clips_of(self, time: int) -> int:
        """Number of clips in a view."""
        return self.clips

    def tokens(self, clips: Tensor) -> Tensor:
        """A token for every position; see the base class."""
        return self.trunk(clips).flatten(1, 3)

    def forward(self, view: Tensor) -> Tensor:
        """One token a view, or one for every position; see the base class."""
        tokens = super().forward(view)
        return tokens if self.pool == "none" else tokens.mean(dim=1, keepdim=True)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse views that are no whole number of clips or of fragments; see the base class."""
        super().check(shape)
        if shape[0] % self.clips:
            raise ValueError(f"reads {self.clips} clips of one length and its view makes {shape[0]} frames")
        if self.grpb and any(side % (4 * self.grid) for side in shape[2:]):
            made = "x".join(map(str, shape[2:]))
            raise ValueError(
                f"reads {self.grid}x{self.grid} fragments with sides of a multiple of 4 pixels and its view makes "
                f"{made}; set grid to the view's"
            )

    def load_pretrained(self) -> str | None:
        """Load all tensors but a head's; see the base class."""
        if self.weights is None:
            return None
        from models.vqa.swin3d import fastvqa_name, plain_name

        state = read_state(self.weights)
        if any(name.startswith("features.") for name in state):
            state = matched(self.trunk, state, self.weights, "torchvision's swin3d_t", plain_name, r"head\.")
        else:
            publisher = "FAST-VQA's FAST_VQA_B_1_4" + ("" if self.grpb else " without its gated bias (grpb: false)")
            state = matched(self.trunk, state, self.weights, publisher, fastvqa_name, r"vqa_head\.")
        self.trunk.load_state_dict(state)
        return self.weights
