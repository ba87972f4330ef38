"""Training rule of one-step diffusion super-resolution: an adapter for fidelity, then one for detail."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional

from lightning_modules.adapter_checkpoint import AdapterTask, refuse_other
from lightning_modules.base import CosineSchedule
from lightning_modules.prompt_draw import PromptDraw
from lightning_modules.state_keys import refuse_keys
from losses.csd import csd_loss
from models.sr.colour_fix import ColourFix, Method
from models.sr.enhancer import Enhancer, Tiles
from models.sr.one_step import OneStepSR, Stage
from models.sr.resample import upsample
from records.checkpoints import read_checkpoint
from records.errors import UserError
from records.hashing import file_hash

_INIT_FROM = "model.init_args.init_from"
# Adapters whose weights a stage's checkpoint holds.
_KEPT: dict[Stage, tuple[str, ...]] = {"pixel": ("pixel",), "semantic": ("pixel", "semantic")}
_ADAPTER = re.compile(r"\.lora_[AB]\.(\w+)\.")


@dataclass
class Strength:
    """How the images of one domain are restored.

    Args:
        pix: Guidance of fidelity.
        sem: Guidance of detail; has no effect in stage ``pixel``.
        colour: Where colours come from: ``none`` leaves them as generated, ``wavelet`` and ``adain`` take the low
            frequencies or the mean and spread of each channel from the input.
    """

    pix: float = 1.0
    sem: float = 1.0
    colour: Method = "none"


class DiffusionSR(AdapterTask):
    """One stage of two (PiSA-SR, arXiv 2412.03017), each a fit of its own with an optimiser of its own.

    Stage ``pixel`` trains the adapter for fidelity on the squared error of pixels. Stage ``semantic`` begins with it,
    fixes it, and trains the adapter for detail on squared error, perceptual distance and score distillation, the base
    without adapters being the teacher. Checkpoints hold adapters alone.

    Args:
        network: Diffusion base with two adapters.
        stage: Which adapter is trained.
        optimizer: Optimiser, called with the parameter groups.
        schedule: Learning-rate schedule, or None for a constant rate.
        init_from: Checkpoint of stage ``pixel`` that a fresh fit begins with; stage ``semantic`` needs one.
        pixel_adapter: Whether stage ``semantic`` stands on a trained ``pixel``; false leaves that one without effect,
            for one adapter that learns everything at once.
        mse: Weight of the squared error of pixels in [-1, 1].
        perceptual: Perceptual distance, trained with in stage ``semantic`` and scored with in both; null for none.
        perceptual_weight: Its weight.
        csd: Weight of score distillation in stage ``semantic``; 0 leaves its computation out.
        latent_l2: Weight of the squared error of latents, which needs no decoder.
        decode_crop: Side in latents of the random part that is decoded for losses on pixels, which saves memory; null
            for all. Score distillation sees the whole latent.
        empty_prompt: Chance of each training sample to be restored under the empty prompt, 0..1.
        tags: Table of embedded tags by image, in place of the positive prompt in training; null for none.
        inference: For each domain, ``synthetic`` and ``wild``, how it is restored.
        tiles: How large pictures are cut.
        monitor: Figure of the validation split that chooses the best epoch.
    """

    def __init__(
        self,
        network: OneStepSR,
        stage: Stage,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: CosineSchedule | None = None,
        init_from: str | None = None,
        pixel_adapter: bool = True,
        mse: float = 1.0,
        perceptual: nn.Module | None = None,
        perceptual_weight: float = 2.0,
        csd: float = 1.0,
        latent_l2: float = 0.0,
        decode_crop: int | None = None,
        empty_prompt: float = 0.5,
        tags: str | None = None,
        inference: dict[str, Strength] | None = None,
        tiles: Tiles | None = None,
        monitor: Literal["psnr", "ssim", "l1", "perceptual"] = "psnr",
    ) -> None:
        super().__init__(network, optimizer, schedule, perceptual=perceptual, monitor=monitor)
        self.network: OneStepSR = network
        self.stage, self.init_from, self.pixel_adapter = stage, init_from, pixel_adapter
        if not pixel_adapter and (stage == "pixel" or init_from is not None):
            raise ValueError("pixel_adapter is false: that is for stage semantic without init_from")
        self.mse, self.latent_l2, self.decode_crop = mse, latent_l2, decode_crop
        # Fidelity is all that stage pixel is for.
        self.perceptual_weight = perceptual_weight if stage == "semantic" and perceptual is not None else 0.0
        self.csd = csd if stage == "semantic" else 0.0
        if not any((self.mse, self.perceptual_weight, self.csd, self.latent_l2)):
            raise ValueError("all losses have weight 0; give model.init_args.mse one")
        self.prompts = PromptDraw(network.backbone, empty_prompt, tags)
        self.inference, self.tiles = inference or {}, tiles
        # By colour fix; they remember how large tiles may be.
        self._enhancers: dict[Method, Enhancer] = {}
        # Path and hash of the checkpoint that the fit began with.
        self.began_from: dict[str, str] = {}
        network.set_stage(stage)

    def setup(self, stage: str) -> None:
        """Refuse a second stage that stands on nothing."""
        if stage == "fit" and self.stage == "semantic" and self.pixel_adapter and self.init_from is None:
            mend = "give best.ckpt of a fit of stage pixel, or pixel_adapter: false for one adapter that learns all"
            raise UserError("stage semantic needs a trained adapter pixel", where=_INIT_FROM, mend=mend)

    def prepare_network(self) -> None:
        """Begin with the adapter ``pixel`` of an earlier fit."""
        if self.init_from is None:
            return
        where = f"{_INIT_FROM} {self.init_from}"
        checkpoint = read_checkpoint(self.init_from, _INIT_FROM)
        refuse_other(self._made_of("pixel"), checkpoint, where)
        own = {name: value for name, value in self.state_dict().items() if _adapter(name) == "pixel"}
        refuse_keys(own, checkpoint["state_dict"], where)
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(checkpoint["state_dict"][name])
        self.began_from = {"path": self.init_from, "hash": file_hash(self.init_from)}

    @property
    def adapters(self) -> tuple[str, ...]:
        """Adapters whose weights mean something in this stage."""
        return _KEPT[self.stage] if self.pixel_adapter else ("semantic",)

    def keeps(self, name: str) -> bool:
        """The adapters that the stage has or takes over."""
        return _adapter(name) in _KEPT[self.stage]

    def made_of(self) -> dict[str, Any]:
        """Stage, base, and shape of the adapters that are kept."""
        return self._made_of(self.stage)

    def _made_of(self, stage: Stage) -> dict[str, Any]:
        facts = self.network.facts()
        return {
            "stage": stage,
            "ranks": {name: facts["ranks"][name] for name in _KEPT[stage]},
            "alphas": {name: facts["alphas"][name] for name in _KEPT[stage]},
            "targets": facts["targets"],
            "base_config": facts["config_sha256"],
            "base_weights": facts["weights_sha256"],
        }

    def notes(self) -> dict[str, Any]:
        """Base by name, prompts, and what the fit began with."""
        facts = self.network.facts()
        prompts = {name: facts[name] for name in ("prompt", "prompts_sha256", "text_encoder")}
        prompts |= {"empty": self.prompts.empty, "policy": "fixed" if self.prompts.tags is None else "cached_tags"}
        return {
            "base": facts["base"],
            "prompts": prompts,
            "pixel_adapter": self.pixel_adapter,
            "began_from": self.began_from,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse what does not fit; a resumed fit began where it began."""
        super().on_load_checkpoint(checkpoint)
        self.began_from = checkpoint["adapters"]["began_from"]

    def restore(self, batch: dict[str, Any]) -> Tensor:
        """Restore one whole image as the profile of its domain says; see :class:`SRTask`."""
        profile = self.inference.get(batch["domain"][0], Strength())
        sem = profile.sem if self.stage == "semantic" else 0.0
        return self._enhancer(profile).restore(batch["lr"], int(batch["scale"]), profile.pix, sem)

    def remarks(self) -> list[str]:
        """What the enhancers noted."""
        return [note for enhancer in self._enhancers.values() for note in enhancer.notes]

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        """Restore one image; where a callback writes candidates, both of them in place of one.

        Returns:
            ``id`` and ``sr``, or ``id``, ``psnr``, ``per`` and ``facts``; pictures (1, 3, H, W) in [0, 1].
        """
        wanted = any(getattr(each, "replaces_predictions", False) for each in self.trainer.callbacks)  # type: ignore[attr-defined]
        if not wanted or self.stage == "pixel" or not batch["id"]:
            return super().predict_step(batch, batch_idx)
        enhancer = self._enhancer(self.inference.get(batch["domain"][0], Strength()))
        faithful, perceptual = enhancer.candidates(batch["lr"], int(batch["scale"]))
        facts = {"guidances": {"psnr": [1.0, 0.0], "per": [1.0, 1.0]}, **enhancer.facts(), "used": {**enhancer.used}}
        return {"id": batch["id"], "psnr": faithful, "per": perceptual, "facts": facts}

    def _enhancer(self, profile: Strength) -> Enhancer:
        if profile.colour not in self._enhancers:
            self._enhancers[profile.colour] = Enhancer(self.network, tiles=self.tiles, colour=ColourFix(profile.colour))
        return self._enhancers[profile.colour]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """One step on crops: ``id``, ``lr`` (b, 3, h, w) and ``hr`` (b, 3, h * scale, w * scale) in [0, 1]."""
        truth = 2 * batch["hr"] - 1
        seen = 2 * upsample(batch["lr"], truth.shape[-1] // batch["lr"].shape[-1]) - 1
        positive = self.prompts.positive(batch["id"])
        with torch.no_grad():
            latent = self.network.encode(seen)
        told = self.prompts.drawn(positive, len(truth))
        latent = self.network.restore_latent(latent, 1.0, float(self.stage == "semantic"), told)
        losses, seen_beside = self._losses(latent, truth, positive)
        loss = torch.stack([weight * losses[name] for name, weight in self._weights().items()]).sum()
        figures = {"loss": loss, **losses, **seen_beside}
        self.log_dict({f"train/{name}": value.detach() for name, value in figures.items()}, batch_size=len(truth))
        return loss

    def _weights(self) -> dict[str, float]:
        weights = {"mse": self.mse, "perceptual": self.perceptual_weight, "csd": self.csd, "latent_l2": self.latent_l2}
        return {name: weight for name, weight in weights.items() if weight != 0}

    def _losses(self, latent: Tensor, truth: Tensor, positive: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Losses that have a weight, each computed in float32, and figures that are only watched."""
        weights = self._weights()
        losses: dict[str, Tensor] = {}
        beside: dict[str, Tensor] = {}
        if "mse" in weights or "perceptual" in weights:
            part, target = self._part(latent, truth)
            restored = self.network.decode(part).float()
            if "mse" in weights:
                losses["mse"] = functional.mse_loss(restored, target)
            if "perceptual" in weights and self.perceptual is not None:
                losses["perceptual"] = self.perceptual((restored + 1) / 2, (target + 1) / 2).mean()
        if "csd" in weights:
            negative, alphas = self.network.backbone.prompt("negative"), self.network.backbone.alphas
            losses["csd"], beside = csd_loss(latent, self.network.teacher, alphas, negative, positive)
        if "latent_l2" in weights:
            with torch.no_grad():
                goal = self.network.encode(truth)
            losses["latent_l2"] = functional.mse_loss(latent.float(), goal.float())
        return losses, beside

    def _part(self, latent: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """The part of latents that is decoded, and its truth."""
        side, factor = self.decode_crop, self.network.factor
        height, width = latent.shape[-2:]
        if side is None or side >= max(height, width):
            return latent, truth
        tall, wide = min(side, height), min(side, width)
        top, left = (int(torch.randint(0, room + 1, ())) for room in (height - tall, width - wide))
        part = truth[..., top * factor : (top + tall) * factor, left * factor : (left + wide) * factor]
        return latent[..., top : top + tall, left : left + wide], part


def _adapter(name: str) -> str | None:
    """Adapter that a tensor of the state belongs to."""
    found = _ADAPTER.search(name)
    return found.group(1) if found else None
