"""Peak memory of the tensors alive during a forward, counted on the meta device."""

import weakref
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from metrics.meta import leaves, meta_copy, to_meta


class LiveBytes(TorchDispatchMode):
    """Follows the bytes of all storages made while it is active.

    Attributes:
        live: Bytes alive now.
        peak: The most bytes alive at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._known: set[int] = set()

    def ignore(self, value: torch.Tensor) -> None:
        """Leave a tensor that was there before out of the count."""
        self._known.add(value.untyped_storage()._cdata)

    def _freed(self, key: int, size: int) -> None:
        self.live -= size
        self._known.discard(key)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in leaves(result):
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                key = storage._cdata
                if key not in self._known:
                    size = storage.nbytes()
                    self._known.add(key)
                    self.live += size
                    self.peak = max(self.peak, self.live)
                    weakref.finalize(storage, self._freed, key, size)
        return result


def activation_bytes(network: nn.Module, inputs: Any) -> int:
    """Peak bytes of activations during one inference forward, weights and inputs left out.

    Args:
        network: Any network; it is copied to the meta device and left as it is.
        inputs: Its one argument, a tensor or a dict of tensors, on any device.

    Returns:
        Bytes of live tensors; an allocator adds its own rounding, and convolution workspaces are not seen.
    """
    network = meta_copy(network).eval()
    inputs = to_meta(inputs)
    mode = LiveBytes()
    for value in (*network.parameters(), *network.buffers(), *leaves(inputs)):
        mode.ignore(value)
    with torch.no_grad(), mode:
        network(inputs)
    return mode.peak
