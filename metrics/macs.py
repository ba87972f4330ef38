"""Multiply-accumulates of a network, counted on the meta device: no weights, no memory, no silent zero."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from metrics.meta import leaves, meta_copy, to_meta

# Operators that multiply and add but that torch's counter has no formula for; seeing one is told, never counted as 0.
UNCOUNTED = ("lstm", "rnn", "gru", "fft", "grid_sampler", "cumsum", "cumprod", "_ctc", "bilinear", "trilinear", "cdist")
# Opaque operators: a whole attention layer in one call, invisible to the counter.
OPAQUE = ("_native_multi_head_attention", "_transformer_encoder_layer_fwd")


@dataclass
class Cost:
    """What one forward costs.

    Args:
        macs: Multiply-accumulates; one GMAC is what challenge tables print as a GFLOP.
        by_module: Multiply-accumulates of every submodule by its dotted name.
        params: Parameters that the forward touches, each once.
        unused: Names of parameters that it does not touch.
        uncounted: Names of operators that do arithmetic the counter cannot see.
    """

    macs: int
    by_module: dict[str, int] = field(default_factory=dict)
    params: int = 0
    unused: list[str] = field(default_factory=list)
    uncounted: list[str] = field(default_factory=list)


class SilentZero(ValueError):
    """A module has weights and was run, but nothing was counted for it."""


@contextmanager
def countable_attention() -> Iterator[None]:
    """Run attention as plain matrix products.

    The fused kernels lose their products in the counter: a ViT-Tiny counts 14 % too little on CPU tensors, and an
    encoder layer in eval mode counts zero.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


class _Touched(TorchDispatchMode):
    """Notes operators and the parameters they read."""

    def __init__(self, parameters: dict[int, str]) -> None:
        super().__init__()
        self.parameters, self.names, self.touched = parameters, Counter[str](), set[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names[func.name().removeprefix("aten::").partition(".")[0]] += 1
        for value in leaves((args, kwargs)):
            if isinstance(value, torch.Tensor):
                base = value._base if value._base is not None else value
                name = self.parameters.get(id(base))
                if name:
                    self.touched.add(name)
        return func(*args, **(kwargs or {}))


def count_macs(network: nn.Module, inputs: Any) -> Cost:
    """Count one forward in eval mode.

    Convention of the NTIRE 2025 efficient track as its teams used it: one multiply-accumulate counts once, everything
    the deployed predictor computes for one video counts, norms, activations, softmax and resizing do not.

    Args:
        network: Any network; it is copied to the meta device and left as it is.
        inputs: Its one argument: a tensor, or a dict of tensors (batch 1), on any device; only shapes and dtypes count.

    Returns:
        The cost.

    Raises:
        SilentZero: A leaf module with a weight matrix was run and nothing was counted for it.
    """
    network = meta_copy(network).eval()
    inputs = to_meta(inputs)
    parameters = {id(parameter): name for name, parameter in network.named_parameters()}
    ran: dict[str, int] = {}
    hooks = [
        module.register_forward_pre_hook(_counting_hook(ran, name))
        for name, module in network.named_modules()
        if not list(module.children())
    ]
    counter = FlopCounterMode(display=False)
    seen = _Touched(parameters)
    try:
        with torch.no_grad(), countable_attention(), seen, counter:
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    by_module = _by_name(counter, network)
    _refuse_silent_zero(network, ran, by_module)
    shapes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return Cost(
        macs=counter.get_total_flops() // 2,
        by_module=by_module,
        params=sum(count for name, count in shapes.items() if name in seen.touched),
        unused=[name for name in shapes if name not in seen.touched],
        uncounted=sorted({name for name in seen.names if _is_uncounted(name)}),
    )


def _is_uncounted(name: str) -> bool:
    if name.startswith(OPAQUE):
        return True
    return any(part in name for part in UNCOUNTED) and not name.startswith("upsample")


def _by_name(counter: FlopCounterMode, network: nn.Module) -> dict[str, int]:
    prefix = type(network).__name__ + "."
    counts = counter.get_flop_counts()
    return {
        name.removeprefix(prefix): sum(operators.values()) // 2
        for name, operators in counts.items()
        if name.startswith(prefix)
    }


def _counting_hook(ran: dict[str, int], name: str) -> Callable[[nn.Module, Any], None]:
    def hook(module: nn.Module, arguments: Any) -> None:
        ran[name] = ran.get(name, 0) + 1

    return hook


def _refuse_silent_zero(network: nn.Module, ran: dict[str, int], by_module: dict[str, int]) -> None:
    for name in ran:
        module = network.get_submodule(name)
        has_matrix = any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
        # A lookup multiplies nothing; recurrent layers are told by name instead.
        known = isinstance(module, nn.Embedding | nn.RNNBase)
        if has_matrix and not known and not by_module.get(name):
            raise SilentZero(
                f"{name or 'the module'} ({type(module).__name__}) has a weight matrix and ran, but counts zero"
                " multiply-accumulates; register a formula for its operator (torch.utils.flop_counter"
                ".register_flop_formula)"
            )
