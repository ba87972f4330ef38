"""A trunk of timm on frames, whose last map goes through self-attention before it is averaged."""

from torch import Tensor, nn

from models.vqa.bottleneck_attention import BottleneckAttention
from models.vqa.timm_frames import TimmFrames


class AttendedFrames(TimmFrames):
    """One token per frame from an image trunk of timm and blocks of bottleneck attention on its last map.

    RQ-VQA's frame branch is ``swin_base_patch4_window12_384`` with three blocks. The pretrained weights are those of
    the trunk; the blocks begin as the rectified map.

    Args:
        name: timm model; see TimmFrames.
        img_size: Height and width of the frames in pixels, for trunks that fix it; see TimmFrames.
        window_size: Attention window of Swin trunks in patches; see TimmFrames.
        pretrained: Begin with the published weights of the trunk.
        weights: Begin with a local file or ``package:`` of the trunk's weights; see TimmFrames.
        blocks: Blocks of bottleneck attention.
        heads: Attention heads of each.
        head_width: Features per head.
        drop_path: Probability of leaving out a residual block of the trunk in training, 0..1.
        chunk: Frames in one pass in evaluation, which bounds its memory; null for all at once.
    """

    def __init__(
        self,
        name: str,
        img_size: int | None = None,
        window_size: int | None = None,
        pretrained: bool = False,
        weights: str | None = None,
        blocks: int = 3,
        heads: int = 4,
        head_width: int = 128,
        drop_path: float = 0.0,
        chunk: int | None = None,
    ) -> None:
        super().__init__(
            name,
            img_size,
            window_size,
            pretrained=pretrained,
            weights=weights,
            drop_path=drop_path,
            chunk=chunk,
        )
        if blocks < 1:
            raise ValueError(f"blocks must be at least 1, not {blocks}; without any, take TimmFrames")
        last = self.trunk.feature_info[-1]
        self.stages = [len(self.trunk.feature_info) - 1]
        # What the forward does not use would stop a distributed run, which waits for every gradient.
        self.trunk.prune_intermediate_layers(self.stages, prune_norm=False, prune_head=True)
        self.width = last["num_chs"]
        self.attention = nn.Sequential(*(BottleneckAttention(self.width, heads, head_width) for _ in range(blocks)))

    def _tokens(self, frames: Tensor) -> Tensor:
        (maps,) = self.trunk.forward_intermediates(
            self._normalised(frames), self.stages, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return self.attention(maps).mean((2, 3))
