"""LIQE: what CLIP's two towers say of patches, in the words of quality, scene and distortion.

Zhang, Zhai, Wei, Yang, Ma: Blind Image Quality Assessment via Vision-Language Correspondence (CVPR 2023). The words,
their order and the sentence are those of the authors' code (github.com/zwx8981/LIQE, LIQE.py).
"""

from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from models.vqa.branch import Branch
from models.vqa.video_weights import load_published

QUALITIES = ("bad", "poor", "fair", "good", "perfect")
SCENES = ("animal", "cityscape", "human", "indoor", "landscape", "night", "plant", "still_life", "others")
DISTORTIONS = (
    "jpeg2000 compression",
    "jpeg compression",
    "noise",
    "blur",
    "color",
    "contrast",
    "overexposure",
    "underexposure",
    "spatial",
    "quantization",
    "other",
)
PROMPTS = tuple(
    f"a photo of a {scene} with {distortion} artifacts, which is of {quality} quality"
    for quality, scene, distortion in product(QUALITIES, SCENES, DISTORTIONS)
)
_SIZE, _PATCH, _CONTEXT, _VOCABULARY, _HEAD = 224, 32, 77, 49408, 64
_PIXELS = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class LIQE(Branch):
    """One token per frame: the 495 scaled logits of 5 qualities x 9 scenes x 11 distortions, averaged over patches.

    A frozen expert on CLIP ViT-B/32, 4.4 GMACs a patch. The sentences go through the text tower once, when they are
    first needed, and are no part of a forward pass's cost. Logits are not softmaxed and have a magnitude of tens: norm
    them before they stand beside other features.

    Args:
        weights: Local file of the authors' weights, ``LIQE.pt``; null begins with random weights.
        patches: Patches of a frame; the view holds them frame by frame (NativePatches).
        chunk: Patches in one pass of the image tower, which bounds its memory; null for all at once.
        embed: Features that both towers end in, 512 as published; less of this and the next makes a small network for
            tests, which no published file fits.
        image_width: Features within the image tower, 768 as published; a multiple of 64.
        image_layers: Layers of the image tower, 12 as published.
        text_width: Features within the text tower, 512 as published; a multiple of 64.
        text_layers: Layers of the text tower, 12 as published.
    """

    width = len(PROMPTS)

    def __init__(
        self,
        weights: str | None = None,
        patches: int = 15,
        chunk: int | None = None,
        embed: int = 512,
        image_width: int = 768,
        image_layers: int = 12,
        text_width: int = 512,
        text_layers: int = 12,
    ) -> None:
        super().__init__()
        if patches < 1 or (chunk is not None and chunk < 1):
            raise ValueError(f"patches {patches} and chunk {chunk} must be at least 1")
        self.weights, self.patches, self.chunk = weights, patches, chunk
        image = {"image_size": _SIZE, "patch_size": _PATCH, "width": image_width, "layers": image_layers}
        text = {"context_length": _CONTEXT, "vocab_size": _VOCABULARY, "width": text_width, "layers": text_layers}
        self.clip = _clip(embed, image, text | {"heads": text_width // _HEAD}).requires_grad_(False)
        mean, sd = (255 * torch.tensor(values).view(3, 1, 1) for values in _PIXELS)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("sd", sd, persistent=False)
        # What the text tower makes of the prompts; follows from the weights and so is no part of the state.
        self.register_buffer("texts", torch.zeros(len(PROMPTS), embed), persistent=False)
        self.texts_known = False
        self.register_load_state_dict_post_hook(_forget_texts)
        self.mean: Tensor
        self.sd: Tensor
        self.texts: Tensor

    def forward(self, view: Tensor) -> Tensor:
        """One token per frame; see the base class.

        Args:
            view: (batch, frames * patches, 3, 224, 224), uint8, or float in 0..255; the patches of a frame together.

        Returns:
            (batch, frames, 495) logits.
        """
        patches = view.flatten(0, 1)
        chunks = patches.split(self.chunk) if self.chunk else (patches,)
        features = torch.cat([self.clip.encode_image((chunk - self.mean) / self.sd) for chunk in chunks])
        logits = self.clip.logit_scale.exp() * normalize(features, dim=-1) @ self._texts().mT
        return logits.unflatten(0, (view.shape[0], -1, self.patches)).mean(dim=2)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse what is no whole number of frames of patches; see the base class."""
        super().check(shape)
        if shape[0] % self.patches or tuple(shape[2:]) != (_SIZE, _SIZE):
            raise ValueError(
                f"reads {self.patches} patches of {_SIZE}x{_SIZE} pixels of each frame and its view makes "
                f"{shape[0]} of {shape[2]}x{shape[3]}"
            )

    def load_pretrained(self) -> str | None:
        """Load the authors' weights of both towers; see the base class."""
        if self.weights is not None:
            load_published(self.clip, self.weights, "LIQE (CLIP ViT-B/32)", str)
            self.texts_known = False
        return self.weights

    def _texts(self) -> Tensor:
        """Unit features of the prompts, (495, embed)."""
        if not self.texts_known and not self.texts.is_meta:
            from open_clip.tokenizer import SimpleTokenizer

            tokens = SimpleTokenizer()(list(PROMPTS), context_length=_CONTEXT).to(self.texts.device)
            with torch.no_grad(), torch.autocast(self.texts.device.type, enabled=False):
                # A part at a time: attention over all prompts at once takes a gigabyte.
                made = torch.cat([self.clip.encode_text(part) for part in tokens.split(len(SCENES) * len(DISTORTIONS))])
                self.texts.copy_(normalize(made, dim=-1))
            self.texts_known = True
        return self.texts


def _clip(embed: int, image: dict[str, int], text: dict[str, int]) -> Any:
    try:
        from open_clip.model import CLIP
    except ImportError:
        raise ValueError("LIQE needs the package open_clip_torch; pip install -e '.[liqe]'") from None
    return CLIP(embed, image, text, quick_gelu=True)


def _forget_texts(branch: nn.Module, _: Any) -> None:
    branch.texts_known = False  # type: ignore[assignment]
