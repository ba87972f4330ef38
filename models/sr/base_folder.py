"""Finding a diffusion base: a local folder in diffusers' layout, an asset of this project, a repository of the hub."""

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

KEY = "model.init_args.network.init_args.backbone.init_args.pretrained"
_ASSETS = Path(__file__).resolve().parents[2] / "assets"
_PACKAGE = "package:"
_PIECES = (
    "vae/config.json",
    "vae/diffusion_pytorch_model*.safetensors",
    "unet/config.json",
    "unet/diffusion_pytorch_model*.safetensors",
    "scheduler/scheduler_config.json",
)
PROMPTS = "prompts.safetensors"
_TEXT = ("tokenizer/vocab.json", "text_encoder/config.json", "text_encoder/*.safetensors")
_HUB_FILES = [*_PIECES, PROMPTS, "tokenizer/*", "text_encoder/config.json", "text_encoder/model.safetensors"]
_NOT_FROM_HUB = ["*.fp16.*", "*.non_ema.*"]


def find_base(pretrained: str) -> Path:
    """Folder of a diffusion base, with all its pieces.

    Args:
        pretrained: Local folder, ``package:NAME`` for a folder under ``assets``, or ``owner/name`` on the hub.

    Returns:
        The folder: ``vae``, ``unet``, ``scheduler``, and ``prompts.safetensors`` or ``tokenizer`` and ``text_encoder``.

    Raises:
        FileNotFoundError: It is not there, or a piece of it is missing.
    """
    folder = Path(pretrained).expanduser()
    if pretrained.startswith(_PACKAGE):
        folder = _ASSETS / pretrained.removeprefix(_PACKAGE)
    elif not folder.is_dir() and re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", pretrained):
        folder = _from_hub(pretrained)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no diffusion base {pretrained}; set {KEY} to a local folder")
    missing = [piece for piece in _PIECES if not any(folder.glob(piece))]
    if not (folder / PROMPTS).is_file() and not has_text_encoder(folder):
        missing.append(f"{PROMPTS} (or tokenizer/ and text_encoder/)")
    if missing:
        raise FileNotFoundError(
            f"the diffusion base {pretrained} lacks {', '.join(missing)}; set {KEY} to a local folder that has it all"
        )
    return folder


def has_text_encoder(folder: Path) -> bool:
    """Whether a base can embed words."""
    return all(any(folder.glob(piece)) for piece in _TEXT)


def load_networks(folder: Path) -> tuple[nn.Module, nn.Module, dict[str, Any]]:
    """UNet, VAE (of the class that its configuration names) and configuration of the scheduler, in float32.

    Args:
        folder: As :func:`find_base` gives it.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel

    options = {"local_files_only": True, "use_safetensors": True, "torch_dtype": torch.float32}
    name = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8")).get("_class_name", "AutoencoderKL")
    kinds: dict[str, Any] = {"AutoencoderKL": AutoencoderKL}
    if name == "PatchAutoencoder":
        from models.sr.patch_autoencoder import PatchAutoencoder

        kinds[name] = PatchAutoencoder
    if name not in kinds:
        raise ValueError(f"{folder / 'vae'} is of class {name}; only AutoencoderKL and PatchAutoencoder are known")
    unet = UNet2DConditionModel.from_pretrained(str(folder), subfolder="unet", **options)
    vae = kinds[name].from_pretrained(str(folder), subfolder="vae", **options)
    return unet, vae, json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))


def hash_files(folder: Path, *patterns: str) -> str:
    """SHA-256 over names and contents of files; a file is read once while it does not change."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        stat = path.stat()
        total.update(f"{path.relative_to(folder).as_posix()} {_hash(path, stat.st_size, stat.st_mtime_ns)}\n".encode())
    return total.hexdigest()


def hash_config(config: dict[str, Any]) -> str:
    """SHA-256 of configurations, of what does not depend on the version or place they were read from."""
    told = {part: {key: value for key, value in values.items() if key[0] != "_"} for part, values in config.items()}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=list).encode()).hexdigest()


def hash_tensors(network: nn.Module) -> str | None:
    """SHA-256 over names, shapes and values of a network's base weights, adapters left out; None on the meta device."""
    total = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if "lora_" in name:
            continue
        if value.is_meta:
            return None
        total.update(f"{name.replace('.base_layer', '')} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.detach().contiguous().cpu().flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


@lru_cache
def _hash(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES, ignore_patterns=_NOT_FROM_HUB))
    except Exception as error:
        raise FileNotFoundError(
            f"the diffusion base {name} (vae/, unet/, scheduler/, tokenizer/, text_encoder/) is neither a local folder "
            f"nor in the hub's cache nor could it be fetched ({type(error).__name__}); set {KEY} to a local folder"
        ) from error
