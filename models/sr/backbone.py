"""A frozen diffusion base of the Stable Diffusion shape: UNet, VAE, noise schedule and embedded prompts."""

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.sr.base_folder import find_base, hash_config, hash_files, hash_tensors, load_networks
from models.sr.prompts import Kind, Prompts, folder_prompts, random_prompts
from models.sr.shapes import TOKENS, Shape, build

_SEED = 20250625


class DiffusionBackbone(nn.Module):
    """Stock diffusers networks with frozen weights, from files or from a configuration.

    Args:
        pretrained: Base to load: a local folder in diffusers' layout, ``package:tiny-sr``, or ``owner/name`` on the
            hub. Null builds ``shape`` with random weights, always the same ones.
        shape: What null builds: ``tiny`` for tests, ``sd21`` of Stable Diffusion 2.1-base's size.
        dtype: Precision of the frozen weights.
        positive: Words for a good picture; null for those of the base, or this project's.
        negative: Words for a bad picture; likewise.
        checkpointing: Recompute activations of UNet and VAE in backward, which saves memory for time.
        sample_posterior: Draw latents from the VAE's posterior while training; else, and always in eval mode, take its
            mode, so that two runs agree.
    """

    alphas: Tensor

    def __init__(
        self,
        pretrained: str | None = None,
        shape: Shape = "tiny",
        dtype: Literal["float32", "bfloat16"] = "float32",
        positive: str | None = None,
        negative: str | None = None,
        checkpointing: bool = False,
        sample_posterior: bool = False,
    ) -> None:
        super().__init__()
        self.pretrained, self.shape, self.sample_posterior = pretrained, shape, sample_posterior
        self.folder = find_base(pretrained) if pretrained is not None else None
        self.unet: Any
        self.vae: Any
        if self.folder is not None:
            self.unet, self.vae, schedule = load_networks(self.folder)
            self.prompts: Prompts = folder_prompts(self.folder, positive, negative)
        elif positive is not None or negative is not None:
            raise ValueError("words need a text encoder, and a base that is built without files has none")
        else:
            self.unet, self.vae, schedule = build(shape, _SEED)
            self.prompts = random_prompts(TOKENS[shape], self.unet.config.cross_attention_dim, _SEED)
        self._check()
        self.register_buffer("alphas", _alphas(schedule), persistent=False)
        self._hash: str | None = None
        self.requires_grad_(False)
        for network in (self.unet, self.vae):
            # diffusers' own method warns of networks with parts that must stay in float32, which these have not.
            nn.Module.to(network, getattr(torch, dtype))
        if checkpointing:
            self.unet.enable_gradient_checkpointing()
            if self.vae._supports_gradient_checkpointing:
                self.vae.enable_gradient_checkpointing()
        self.checkpointing = checkpointing

    @property
    def factor(self) -> int:
        """Pixels of a side that become one latent."""
        config = self.vae.config
        return int(config.factor) if "factor" in config else 2 ** (len(config.block_out_channels) - 1)

    @property
    def multiple(self) -> int:
        """Sides in pixels must be multiples of it; the UNet copes with odd latents by itself."""
        return self.factor

    @property
    def scaling(self) -> float:
        """What latents of the VAE are multiplied by for the UNet."""
        return float(self.vae.config.scaling_factor)

    def encode(self, x: Tensor) -> Tensor:
        """Scaled latents of pictures.

        Args:
            x: float (b, 3, h, w) in [-1, 1], sides multiples of ``multiple``.

        Returns:
            (b, channels, h / factor, w / factor), dtype of ``x``.
        """
        posterior = self.vae.encode(x.to(self.vae.dtype)).latent_dist
        latent = posterior.sample() if self.training and self.sample_posterior else posterior.mode()
        return latent.to(x.dtype) * self.scaling

    def decode(self, z: Tensor) -> Tensor:
        """Pictures of scaled latents.

        Args:
            z: (b, channels, h, w).

        Returns:
            (b, 3, h * factor, w * factor), about [-1, 1] and not clamped, dtype of ``z``.
        """
        return self.vae.decode((z / self.scaling).to(self.vae.dtype)).sample.to(z.dtype)

    def noise_in(self, z: Tensor, times: Tensor, prompt: Tensor) -> Tensor:
        """What the UNet takes for noise, with the adapters that are active.

        Args:
            z: Scaled latents, (b, channels, h, w).
            times: int64 (b,).
            prompt: (1 or b, tokens, width).

        Returns:
            Shape and dtype of ``z``.
        """
        dtype = self.unet.time_embedding.linear_1.weight.dtype
        text = prompt.to(dtype).expand(len(z), -1, -1)
        return self.unet(z.to(dtype), times, encoder_hidden_states=text, return_dict=False)[0].to(z.dtype)

    def prompt(self, kind: Kind) -> Tensor:
        """Embedding of one of the fixed prompts, (1, tokens, width)."""
        return self.prompts(kind)

    def with_unet(self, unet: nn.Module) -> "DiffusionBackbone":
        """The same base around another UNet; VAE, schedule and prompts are shared."""
        other = copy.copy(self)
        other._modules = {**self._modules, "unet": unet}
        return other

    @property
    def encoder_id(self) -> str | None:
        """Identity of the text encoder behind the prompts, which a table of tags must share."""
        return self.prompts.encoder

    def weights_hash(self) -> str | None:
        """SHA-256 of the base: of its files, or of its tensors where it has none; None on the meta device."""
        if self._hash is None:
            if self.folder is not None:
                self._hash = hash_files(self.folder, "unet/*.safetensors", "vae/*.safetensors")
            else:
                self._hash = hash_tensors(nn.ModuleDict({"unet": self.unet, "vae": self.vae}))
        return self._hash

    def facts(self) -> dict[str, Any]:
        """What base this is, as plain values: where it came from, hashes of weights, configuration and prompts."""
        config = {"unet": dict(self.unet.config), "vae": dict(self.vae.config)}
        return {
            "base": self.pretrained or f"shape:{self.shape}",
            "weights_sha256": self.weights_hash(),
            "config_sha256": hash_config(config),
            "prompts_sha256": hash_tensors(nn.ParameterDict(dict(self.prompts.named_buffers()))),
            "text_encoder": self.encoder_id,
        }

    def _check(self) -> None:
        """Refuse bases of another kind than the formulas here are made for."""
        config, name = self.unet.config, self.pretrained or self.shape
        if config.addition_embed_type is not None or config.class_embed_type is not None:
            raise ValueError(
                f"the UNet of {name} needs more than a prompt; take one of the Stable Diffusion 1 or 2 kind"
            )
        channels, width = self.vae.config.latent_channels, self.prompts.empty.shape[-1]
        if config.in_channels != channels:
            raise ValueError(f"the UNet of {name} takes {config.in_channels} channels, its VAE makes {channels}")
        if config.cross_attention_dim != width:
            raise ValueError(f"the UNet of {name} reads {config.cross_attention_dim} wide prompts, its own are {width}")
        # The base is the teacher and shares the student's train flag.
        dropping = [path for path, part in self.unet.named_modules() if isinstance(part, nn.Dropout) and part.p > 0]
        if dropping:
            raise ValueError(f"the UNet of {name} has dropout in {dropping[0]}; it must be 0")


def _alphas(schedule: dict[str, Any]) -> Tensor:
    """Share of signal at each time step, float32 (T,)."""
    from diffusers import DDPMScheduler

    kind = schedule.get("prediction_type", "epsilon")
    if kind != "epsilon":
        raise ValueError(
            f"this base predicts {kind}, and the one-step formula needs noise (epsilon); "
            "take Stable Diffusion 2.1-base rather than the 768-pixel model"
        )
    return DDPMScheduler.from_config(schedule).alphas_cumprod.float()
