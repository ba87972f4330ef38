"""The one place that touches private members of peft: switching adapters by flags alone.

peft's public switches (``disable_adapters``, ``set_adapter``) also rewrite ``requires_grad``. In a training step that
unfreezes adapters that a stage holds fixed, and breaks gradient checkpointing, whose recomputation then saves other
tensors than the forward did.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

_DISABLED, _ACTIVE = "_disable_adapters", "_active_adapter"


def lora_layers(network: nn.Module) -> dict[str, Any]:
    """LoRA layers of a network by module path, in order of modules.

    Args:
        network: With or without adapters.

    Raises:
        RuntimeError: The installed peft stores its flags elsewhere than this project knows.
    """
    from peft.tuners.lora import LoraLayer

    found = {name: module for name, module in network.named_modules() if isinstance(module, LoraLayer)}
    for name, layer in found.items():
        missing = [member for member in (_DISABLED, _ACTIVE) if not hasattr(layer, member)]
        if missing:
            import peft

            raise RuntimeError(
                f"peft {peft.__version__} has no {' and no '.join(missing)} on its layer {name}; "
                "install a version below it, 0.21 is known to work"
            )
    return found


@contextmanager
def base_view(network: nn.Module) -> Iterator[None]:
    """Within it a network computes with its base weights alone; ``requires_grad`` and the active list stay as they are.

    Args:
        network: A network with adapters.
    """
    with _flag(network, _DISABLED, True):
        yield


@contextmanager
def active_view(network: nn.Module, names: Sequence[str]) -> Iterator[None]:
    """Within it exactly the named adapters are active; ``requires_grad`` stays as it is.

    A backward that recomputes activations runs after the context has ended, with the adapters that are active then:
    train with the standing ones.

    Args:
        network: A network with adapters.
        names: Adapters.
    """
    with _flag(network, _ACTIVE, list(names)):
        yield


@contextmanager
def _flag(network: nn.Module, member: str, value: Any) -> Iterator[None]:
    layers = lora_layers(network).values()
    before = [getattr(layer, member) for layer in layers]
    try:
        for layer in layers:
            setattr(layer, member, value)
        yield
    finally:
        for layer, old in zip(layers, before, strict=True):
            setattr(layer, member, old)
