"""Training rule of a ControlNet over a frozen diffusion base: find the noise, told by the low-resolution picture."""

import os
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional

from lightning_modules.adapter_checkpoint import AdapterTask
from lightning_modules.base import CosineSchedule
from lightning_modules.prompt_draw import PromptDraw
from models.sr.colour_fix import ColourFix, Method
from models.sr.controlled import ControlledSR
from models.sr.resample import upsample
from records.hashing import seed_of, tensors_hash

# Parts of the network that train and that checkpoints hold.
_KEPT = ("network.control.", "network.adapter.")


@dataclass
class Guidance:
    """How the images of one domain are sampled.

    Args:
        guidance: How far the positive prompt leads away from the negative one; 1 is the positive prompt alone.
        steps: Denoising steps.
        eta: Share of fresh noise in a step, 0..1; 0 is DDIM, 1 DDPM.
        colour: Where colours come from: ``none`` leaves them as generated, ``wavelet`` and ``adain`` take the low
            frequencies or the mean and spread of each channel from the input.
    """

    guidance: float = 1.0
    steps: int = 50
    eta: float = 1.0
    colour: Method = "adain"


class ControlNetSR(AdapterTask):
    """Squared error of the noise in the latent of the truth, at a time drawn for each sample (arXiv 2302.05543).

    The base is frozen; ControlNet and, where there is one, the adapter of semantic tokens train and are all that
    checkpoints hold.

    Args:
        network: Base, ControlNet, and encoder of what is in the picture.
        optimizer: Optimiser, called with the parameter groups.
        schedule: Learning-rate schedule, or None for a constant rate.
        perceptual: Perceptual distance to score with; null for none.
        empty_prompt: Chance of each training sample to be told nothing, 0..1.
        tags: Table of embedded tags by image, in place of the positive prompt in training; null for none.
        inference: For each domain, ``synthetic`` and ``wild``, how it is sampled.
        monitor: Figure of the validation split that chooses the best epoch.
    """

    after = ""  # `enhance` takes no ControlNet

    def __init__(
        self,
        network: ControlledSR,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: CosineSchedule | None = None,
        perceptual: nn.Module | None = None,
        empty_prompt: float = 0.5,
        tags: str | None = None,
        inference: dict[str, Guidance] | None = None,
        monitor: Literal["psnr", "ssim", "l1", "perceptual"] = "psnr",
    ) -> None:
        super().__init__(network, optimizer, schedule, perceptual=perceptual, monitor=monitor)
        self.network: ControlledSR = network
        self.prompts = PromptDraw(network.backbone, empty_prompt, tags)
        self.inference = inference or {}
        semantics = network.semantics
        # What only shows that the path works, for the run's summary.
        self.stand_ins = ["semantics"] if semantics is not None and semantics.stand_in else []
        self._semantics_hash: str | None = None

    def keeps(self, name: str) -> bool:
        """ControlNet and adapter."""
        return name.startswith(_KEPT)

    def made_of(self) -> dict[str, Any]:
        """Base and encoder."""
        facts = self.network.facts()
        return {
            "kind": "controlnet",
            "semantics": facts["semantics"],
            "semantics_weights": self._semantics_weights(),
            "base_config": facts["base"]["config_sha256"],
            "base_weights": facts["base"]["weights_sha256"],
        }

    def _semantics_weights(self) -> str | None:
        """Hash of the encoder's weights, which no step changes and no checkpoint holds."""
        if self.network.semantics is not None and self._semantics_hash is None:
            self._semantics_hash = tensors_hash(self.network.semantics.state_dict())
        return self._semantics_hash

    def notes(self) -> dict[str, Any]:
        """Base by name, and prompts."""
        base = self.network.backbone.facts()
        prompts = {name: base[name] for name in ("prompts_sha256", "text_encoder")}
        return {"base": base["base"], "prompts": {**prompts, "empty": self.prompts.empty}}

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """One step on crops: ``id``, ``lr`` (b, 3, h, w) and ``hr`` (b, 3, h * scale, w * scale) in [0, 1]."""
        truth, count = batch["hr"], len(batch["hr"])
        picture = upsample(batch["lr"], truth.shape[-1] // batch["lr"].shape[-1])
        with torch.no_grad():
            clean = self.network.backbone.encode(2 * truth - 1)
        alphas = self.network.backbone.alphas
        times = torch.randint(0, len(alphas), (count,)).to(clean.device)
        noise = torch.randn(clean.shape).to(clean)
        share = alphas[times].view(-1, 1, 1, 1)
        noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
        text = self.prompts.drawn(self.prompts.positive(batch["id"]), count)
        found = self.network.noise_in(noisy, times, picture, self.network.tokens(text, picture))
        loss = functional.mse_loss(found.float(), noise.float())
        self.log("train/loss", loss.detach(), batch_size=count)
        return loss

    def restore(self, batch: dict[str, Any]) -> Tensor:
        """Sample one whole image as the profile of its domain says, from noise that depends on seed and id alone."""
        profile = self.inference.get(batch["domain"][0], Guidance())
        picture = upsample(batch["lr"], int(batch["scale"]))
        height, width = picture.shape[-2:]
        multiple = self.network.multiple
        padded = functional.pad(picture, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        seed = seed_of("restore", os.environ.get("PL_GLOBAL_SEED", "0"), batch["id"][0])
        generator = torch.Generator().manual_seed(seed)
        restored = self.network.restore(padded, profile.steps, profile.guidance, profile.eta, generator)
        return ColourFix(profile.colour)(restored[..., :height, :width], picture)
