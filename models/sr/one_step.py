"""Super-resolution in one step of a diffusion UNet with two adapters (PiSA-SR, arXiv 2412.03017)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.sr import dual_lora
from models.sr.backbone import DiffusionBackbone
from models.sr.guidance import guided
from models.sr.merged import MergedSR
from models.sr.prompts import Kind

Stage = Literal["pixel", "semantic"]
# Adapters that compute in a stage; the stage's own one trains.
_ACTIVE: dict[Stage, tuple[str, ...]] = {"pixel": ("pixel",), "semantic": ("pixel", "semantic")}


class OneStepSR(nn.Module):
    """Latent of the upsampled picture minus what the adapted UNet takes for noise in it, at time step 1.

    ``z_H = z_L - [pix eps_pixel + sem (eps_both - eps_pixel)]``, without a scheduler step.

    Args:
        backbone: The diffusion base; its UNet is given two adapters that change nothing at first.
        rank_pixel: Rank of the adapter for fidelity.
        rank_semantic: Rank of the adapter for detail.
        alpha_pixel: ``lora_alpha``; null for the rank, a scaling of 1. Published code leaves peft's default, 8.
        alpha_semantic: Likewise.
        prompt: The prompt outside of training, and in training where a batch brings none.
    """

    def __init__(
        self,
        backbone: DiffusionBackbone,
        rank_pixel: int = 4,
        rank_semantic: int = 4,
        alpha_pixel: int | None = None,
        alpha_semantic: int | None = None,
        prompt: Kind = "positive",
    ) -> None:
        super().__init__()
        self.backbone, self.prompt = backbone, prompt
        ranks = {"pixel": rank_pixel, "semantic": rank_semantic}
        self.alphas = {"pixel": alpha_pixel or rank_pixel, "semantic": alpha_semantic or rank_semantic}
        dual_lora.add_adapters(backbone.unet, ranks, self.alphas)
        self.ranks, self.stage = ranks, None  # type: dict[str, int], Stage | None

    @property
    def factor(self) -> int:
        """Pixels of a side that become one latent."""
        return self.backbone.factor

    @property
    def multiple(self) -> int:
        """Sides in pixels must be multiples of it."""
        return self.backbone.multiple

    def encode(self, x: Tensor) -> Tensor:
        """Scaled latents of pictures in [-1, 1]; see :meth:`DiffusionBackbone.encode`."""
        return self.backbone.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        """Pictures of scaled latents, in [-1, 1] and clamped."""
        return self.backbone.decode(z).clamp(-1, 1)

    def restore_latent(self, z: Tensor, pix: float = 1.0, sem: float = 1.0, prompts: Tensor | None = None) -> Tensor:
        """Restored latents.

        Equal guidances need one forward with both adapters and ``sem = 0`` one with ``pixel`` alone; else there are
        two. A training step must be one whose adapters are the standing ones of the stage.

        Args:
            z: Scaled latents of the upsampled picture, (b, channels, h, w).
            pix: Guidance of fidelity.
            sem: Guidance of detail; 0 leaves the adapter ``semantic`` out.
            prompts: (1 or b, tokens, width), one for each sample; None for the standing prompt.

        Returns:
            Shape and dtype of ``z``.

        Raises:
            RuntimeError: Gradients are wanted of adapters that are not the standing ones, and activations are
                recomputed, which would happen with the wrong ones.
        """
        text = self.backbone.prompt(self.prompt) if prompts is None else prompts
        times = torch.ones(len(z), dtype=torch.long, device=z.device)

        def noise(*names: str) -> Tensor:
            with self._using(names):
                return self.backbone.noise_in(z, times, text)

        return z - guided(pix, sem, lambda: noise("pixel"), lambda: noise("pixel", "semantic"))

    def forward(self, x: Tensor, pix: float = 1.0, sem: float = 1.0, prompts: Tensor | None = None) -> Tensor:
        """Restored pictures.

        Args:
            x: Pictures upsampled to their final size, float (b, 3, h, w) in [0, 1], sides multiples of ``multiple``.
            pix: Guidance of fidelity.
            sem: Guidance of detail.
            prompts: See :meth:`restore_latent`.

        Returns:
            Shape of ``x``, in [0, 1].
        """
        latent = self.restore_latent(self.encode(2 * x - 1), pix, sem, prompts)
        return (self.decode(latent) + 1) / 2

    def set_stage(self, stage: Stage) -> None:
        """Make a stage's adapters the standing ones and its own the only weights that train."""
        self.stage = stage
        dual_lora.activate(self.backbone.unet, _ACTIVE[stage], trainable=stage)

    def trainable(self) -> dict[str, nn.Parameter]:
        """Weights that train in this stage, by name."""
        return {name: weight for name, weight in self.named_parameters() if weight.requires_grad}

    @torch.no_grad()
    def teacher(self, z: Tensor, times: Tensor, prompt: Tensor | Kind) -> Tensor:
        """What the base, without any adapter, takes for noise.

        Args:
            z: Noisy scaled latents, (b, channels, h, w).
            times: int64 (b,).
            prompt: Embedding (1 or b, tokens, width), or the name of a fixed one.
        """
        text = self.backbone.prompt(prompt) if isinstance(prompt, str) else prompt
        with dual_lora.base_view(self.backbone.unet):
            return self.backbone.noise_in(z, times, text)

    @contextmanager
    def adapter_scale(self, pixel: float = 1.0, semantic: float = 1.0) -> Iterator[None]:
        """Within it the adapters' weights count more or less, which is something else than ``pix`` and ``sem``."""
        with dual_lora.adapter_scale(self.backbone.unet, pixel=pixel, semantic=semantic):
            yield

    def adapter_state(self) -> dict[str, dict[str, Tensor]]:
        """Weights by adapter; see :func:`models.sr.dual_lora.adapter_state`."""
        return {name: dual_lora.adapter_state(self.backbone.unet, name) for name in self.ranks}

    def load_adapter_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Set the weights of the adapters that ``state`` names; the others stay.

        Raises:
            ValueError: There is no such adapter, or its state does not fit.
        """
        for name, weights in state.items():
            dual_lora.load_adapter_state(self.backbone.unet, name, weights)

    def merged(self, dtype: Literal["float32", "bfloat16"] = "float32") -> MergedSR:
        """A copy for inference without adapters: their weights are added to the base in float32 and cast afterwards."""
        return MergedSR(self.backbone, self.prompt, getattr(torch, dtype))

    def facts(self) -> dict[str, Any]:
        """What this is made of, as plain values: base, ranks, ``lora_alpha``, adapted modules, prompt."""
        adapters = {"ranks": self.ranks, "alphas": self.alphas, "targets": list(dual_lora.TARGETS)}
        return {**self.backbone.facts(), **adapters, "prompt": self.prompt}

    def _using(self, names: tuple[str, ...]) -> Any:
        if dual_lora.active_adapters(self.backbone.unet) == names:
            return nullcontext()
        if torch.is_grad_enabled() and self.backbone.checkpointing and self.trainable():
            raise RuntimeError(f"checkpointing recomputes with the stage's adapters, not with {' and '.join(names)}")
        return dual_lora.active_view(self.backbone.unet, names)
