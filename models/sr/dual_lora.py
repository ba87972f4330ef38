"""Two LoRA adapters on one frozen UNet: ``pixel`` for fidelity, ``semantic`` for detail (PiSA-SR, arXiv 2412.03017)."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.sr.peft_compat import active_view, base_view, lora_layers
from models.sr.stored_tensors import open_tensors, write_tensors

__all__ = [
    "ADAPTERS",
    "TARGETS",
    "activate",
    "active_adapters",
    "active_view",
    "adapter_scale",
    "adapter_state",
    "add_adapters",
    "base_view",
    "load_adapter",
    "load_adapter_state",
    "lora_layers",
    "save_adapter",
]

ADAPTERS = ("pixel", "semantic")
# Ends of module names. Norms, biases and what embeds the time step stay as they are.
TARGETS = (
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "conv",
    "conv1",
    "conv2",
    "conv_in",
    "conv_shortcut",
    "conv_out",
    "proj_in",
    "proj_out",
    "ff.net.0.proj",
    "ff.net.2",
)
# Where diffusers' load_lora_adapter looks for the configuration.
_CONFIG = "lora_adapter_metadata"


def add_adapters(unet: Any, ranks: Mapping[str, int], alphas: Mapping[str, int] | None = None) -> None:
    """Add adapters that change nothing yet, all of them active and none of them trainable; the base is frozen.

    Args:
        unet: A diffusers UNet without adapters; weights of any dtype, the adapters are float32.
        ranks: Adapter to rank.
        alphas: Adapter to ``lora_alpha``; left out it is the rank, a scaling of 1 (peft's own default is 8).
    """
    from peft import LoraConfig

    unet.requires_grad_(False)
    for name, rank in ranks.items():
        if rank < 1:
            raise ValueError(f"the rank of adapter {name} is {rank}; it must be at least 1")
        config = LoraConfig(
            r=rank,
            lora_alpha=(alphas or {}).get(name, rank),
            lora_dropout=0.0,
            init_lora_weights="gaussian",
            target_modules=list(TARGETS),
        )
        with warnings.catch_warnings():
            # That there is more than one is meant.
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            unet.add_adapter(config, adapter_name=name)
        for weight in _weights(unet, name).values():
            weight.data = weight.data.float()
    activate(unet, tuple(ranks))


def activate(unet: Any, names: Sequence[str], trainable: str | None = None) -> None:
    """Make adapters the standing ones, and freeze all weights but those of one adapter.

    Args:
        unet: With adapters.
        names: Adapters that compute.
        trainable: The one of them that trains.
    """
    if trainable is not None and trainable not in names:
        raise ValueError(f"adapter {trainable} cannot train while only {', '.join(names)} is active")
    unet.set_adapter(list(names))
    unet.requires_grad_(False)  # set_adapter made all of them trainable
    if trainable is not None:
        for weight in _weights(unet, trainable).values():
            weight.requires_grad_(True)


def active_adapters(unet: Any) -> tuple[str, ...]:
    """Names of the standing adapters."""
    return tuple(next(iter(lora_layers(unet).values())).active_adapters)


@contextmanager
def adapter_scale(unet: Any, **scales: float) -> Iterator[None]:
    """Within it the weights of adapters count more or less.

    That is not the guidance of the two-adapter formula: between 0 and 1 and beyond 1 the results differ, because the
    UNet is not linear in its weights.

    Args:
        unet: With adapters.
        scales: Adapter to factor.
    """
    layers = lora_layers(unet).values()
    before = [dict(layer.scaling) for layer in layers]
    try:
        for layer in layers:
            for name, scale in scales.items():
                layer.set_scale(name, scale)
        yield
    finally:
        for layer, old in zip(layers, before, strict=True):
            layer.scaling.update(old)


def adapter_state(unet: Any, name: str) -> dict[str, Tensor]:
    """Weights of one adapter, as they stand (not copied).

    Args:
        unet: With adapters.
        name: Adapter.

    Returns:
        Tensors by key without the adapter's name, such as ``conv_in.lora_A.weight``.
    """
    return {key: weight.detach() for key, weight in _weights(unet, name).items()}


@torch.no_grad()
def load_adapter_state(unet: Any, name: str, state: Mapping[str, Tensor]) -> None:
    """Set the weights of one adapter.

    Args:
        unet: With adapters.
        name: Adapter.
        state: As :func:`adapter_state` gives it.

    Raises:
        ValueError: A key is missing or not expected, or a shape differs.
    """
    weights = _weights(unet, name)
    missing, unexpected = sorted(weights.keys() - state.keys()), sorted(state.keys() - weights.keys())
    if missing or unexpected:
        told = [f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in _kinds(missing, unexpected) if keys]
        raise ValueError(f"this state does not fit adapter {name}: {'; '.join(told)}")
    wrong = [key for key, weight in weights.items() if weight.shape != state[key].shape]
    if wrong:
        shapes = f"{tuple(state[wrong[0]].shape)} instead of {tuple(weights[wrong[0]].shape)}"
        raise ValueError(
            f"this state does not fit adapter {name}: {wrong[0]} is {shapes}; set the rank it was trained with"
        )
    for key, weight in weights.items():
        weight.copy_(state[key])


def save_adapter(unet: Any, name: str, path: str | Path) -> None:
    """Write one adapter as safetensors in the format of diffusers' ``load_lora_adapter(prefix=None)``.

    Args:
        unet: With adapters.
        name: Adapter.
        path: File; its configuration travels as JSON in the file's metadata.
    """
    metadata = {"format": "pt", _CONFIG: json.dumps(_config(unet, name), indent=2, sort_keys=True)}
    write_tensors(adapter_state(unet, name), path, metadata)


def load_adapter(unet: Any, name: str, path: str | Path) -> None:
    """Read one adapter from safetensors into an adapter of the same rank and scaling.

    Args:
        unet: With adapters.
        name: Adapter.
        path: File of :func:`save_adapter` or of diffusers' ``save_lora_adapter``.

    Raises:
        ValueError: Keys, shapes, rank or ``lora_alpha`` differ.
    """
    with open_tensors(path) as stored:
        config = json.loads((stored.metadata() or {}).get(_CONFIG, "{}"))
        state = {key: stored.get_tensor(key) for key in stored.keys()}
    own = _config(unet, name)
    for key in ("r", "lora_alpha"):
        if key in config and config[key] != own[key]:
            raise ValueError(f"{path} has {key} {config[key]}, adapter {name} has {own[key]}; make them equal")
    load_adapter_state(unet, name, state)


def _weights(unet: Any, name: str) -> dict[str, nn.Parameter]:
    """Parameters of one adapter, by key without its name."""
    found = {}
    for path, layer in lora_layers(unet).items():
        for part in ("lora_A", "lora_B"):
            if name in (parts := getattr(layer, part)):
                found[f"{path}.{part}.weight"] = parts[name].weight
    if not found:
        raise ValueError(f"the network has no adapter {name}")
    return found


def _config(unet: Any, name: str) -> dict[str, Any]:
    config = unet.peft_config[name].to_dict()
    return {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}


def _kinds(missing: list[str], unexpected: list[str]) -> list[tuple[str, list[str]]]:
    return [("missing", missing), ("not expected", unexpected)]


def _some(keys: list[str], limit: int = 6) -> str:
    return ", ".join(keys[:limit]) + (", ..." if len(keys) > limit else "")
