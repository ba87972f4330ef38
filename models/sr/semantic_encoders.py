"""What is in a picture, as a map of features from a frozen network that knows more than pixels."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_MEAN, _SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SemanticEncoder(nn.Module, ABC):
    """A frozen picture encoder.

    Attributes:
        channels: Width of its features.
        stand_in: Whether its weights are random, so that what is made with it only shows that the path works.
    """

    channels: int
    stand_in = False

    @abstractmethod
    def features(self, picture: Tensor) -> Tensor:
        """Features of pictures.

        Args:
            picture: float (batch, 3, height, width) in [0, 1], any size.

        Returns:
            float (batch, channels, rows, columns).
        """

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What it is and where its weights come from, as plain values."""

    def forward(self, picture: Tensor) -> Tensor:
        """:meth:`features` without gradient."""
        with torch.no_grad():
            return self.features(picture)

    def freeze(self) -> None:
        """Fix all weights; call once they are in place."""
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "SemanticEncoder":
        """Stay in eval mode: a frozen encoder gives one answer."""
        return super().train(False)


class Sam2Encoder(SemanticEncoder):
    """SAM 2's image encoder: the coarsest level of its pyramid with the no-memory embedding added.

    SRlab's branch reads SAM 2.1 Hiera-tiny, the picture resized, not padded, to a square (arXiv 2504.09887);
    there 256 channels on 64x64 positions.

    Args:
        folder: Local folder of a transformers SAM 2 model: ``config.json`` and ``model.safetensors``.

    Raises:
        FileNotFoundError: The folder holds no such model.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        if not Path(folder, "config.json").is_file():
            raise FileNotFoundError(
                f"semantics: {folder} holds no SAM 2 model of transformers (config.json, model.safetensors); give "
                "semantics.init_args.folder a local copy of facebook/sam2.1-hiera-tiny"
            )
        from transformers import Sam2Model

        self.folder = folder
        self.model = Sam2Model.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        config: Any = self.model.config
        size = config.prompt_encoder_config.image_size
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.channels = int(config.vision_config.fpn_hidden_size)
        self.freeze()

    def features(self, picture: Tensor) -> Tensor:
        """The pyramid's coarsest level, float (batch, channels, rows, columns)."""
        return self.model.get_image_embeddings(_normalised(picture, self.size))[-1]

    def facts(self) -> dict[str, Any]:
        """Kind, folder's name and input size."""
        return {"kind": "sam2", "source": Path(self.folder).name, "size": list(self.size)}


class TimmEncoder(SemanticEncoder):
    """The last stage of a timm model.

    Args:
        name: Name of the model in timm.
        weights: Local file of its weights (safetensors, or a state dict of torch); None leaves them random, which is a
            stand-in and says so.
        size: Side in pixels to which pictures are resized.

    Raises:
        FileNotFoundError: There is no such file.
    """

    def __init__(self, name: str, weights: str | None = None, size: int = 224) -> None:
        super().__init__()
        import timm

        if weights is not None and not Path(weights).is_file():
            raise FileNotFoundError(f"semantics: no file {weights}; give semantics.init_args.weights a local one")
        self.name, self.source, self.size, self.stand_in = name, weights, (size, size), weights is None
        self.model = timm.create_model(
            name,
            pretrained=weights is not None,
            pretrained_cfg_overlay={"file": weights} if weights else None,
            features_only=True,
            out_indices=(-1,),
        )
        self.channels = int(self.model.feature_info.channels()[-1])
        self.freeze()

    def features(self, picture: Tensor) -> Tensor:
        """The last stage's map, float (batch, channels, rows, columns)."""
        return self.model(_normalised(picture, self.size))[-1]

    def facts(self) -> dict[str, Any]:
        """Kind, model, file's name and whether it is a stand-in."""
        source = Path(self.source).name if self.source else None
        return {"kind": "timm", "name": self.name, "source": source, "stand_in": self.stand_in}


class TinyEncoder(SemanticEncoder):
    """A stand-in of random weights: shapes as those of a real encoder, no knowledge.

    Args:
        channels: Width of the features.
        grid: Rows and columns of the map.
        seed: Seed of its weights.
    """

    stand_in = True

    def __init__(self, channels: int = 16, grid: int = 8, seed: int = 0) -> None:
        super().__init__()
        self.channels, self.grid, self.seed = channels, grid, seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.mix = nn.Conv2d(3, channels, 3, padding=1)
        self.freeze()

    def features(self, picture: Tensor) -> Tensor:
        """Mixed local means, float (batch, channels, grid, grid)."""
        return self.mix(functional.adaptive_avg_pool2d(picture * 2 - 1, self.grid))

    def facts(self) -> dict[str, Any]:
        """Kind and shape, and that it is a stand-in."""
        return {"kind": "tiny", "channels": self.channels, "grid": self.grid, "seed": self.seed, "stand_in": True}


def _normalised(picture: Tensor, size: tuple[int, ...]) -> Tensor:
    picture = functional.interpolate(picture, list(size), mode="bilinear", antialias=True, align_corners=False)
    mean, sd = picture.new_tensor(_MEAN).view(3, 1, 1), picture.new_tensor(_SD).view(3, 1, 1)
    return (picture - mean) / sd
