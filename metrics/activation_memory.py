"""Peak memory of the activations of one forward pass, told from shapes."""

import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from metrics.meta import meta_copy, meta_inputs


class LiveBytes(TorchDispatchMode):
    """Follows the storages that operators allocate while it is entered, from their first tensor to their last.

    Attributes:
        live: Bytes that are alive now.
        peak: The most bytes that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator and take note of what it allocated."""
        given = {each.untyped_storage()._cdata for each in _tensors((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            if storage._cdata not in given and storage._cdata not in self._known:
                self._follow(storage)
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()

        def released(_: Any) -> None:
            self._known.pop(key, None)
            self.live -= size

        self._known[key] = weakref.ref(storage, released)
        self.live += size
        self.peak = max(self.peak, self.live)


def activation_bytes(module: nn.Module, example_inputs: tuple[Any, ...]) -> int:
    """Most bytes that the tensors of one forward pass in eval mode hold at once, beside weights, buffers and inputs.

    Scratch space within an operator is not seen.

    Args:
        module: Network, on any device; it is neither run nor changed.
        example_inputs: Arguments of its forward, of the sizes to tell for; tensors may lie on any device.
    """
    copied, inputs = meta_copy(module), meta_inputs(example_inputs)
    with torch.no_grad(), LiveBytes() as tracker:
        copied(*inputs)
    return tracker.peak


def _tensors(values: Any) -> list[Tensor]:
    return [each for each in tree_leaves(values) if isinstance(each, Tensor)]
