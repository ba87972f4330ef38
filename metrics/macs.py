"""Multiply-accumulates of one forward pass, counted on shapes.

The convention of the challenge's efficiency table: one multiply-accumulate counts one, of convolutions and matrix
products, attention's included; norms, activations and copies count nothing. torch's counter gives two operations for
each and, run as it comes, loses fused attention (14 % of a small ViT) and whole Transformer layers in eval mode.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from metrics.meta import meta_copy, meta_inputs
from metrics.operator_walk import OperatorWalk


class UncountableError(ValueError):
    """A forward pass whose cost cannot be told from shapes, or would be told too low."""


@dataclass(frozen=True)
class PartCount:
    """Cost of one part of a network.

    Args:
        macs: Multiply-accumulates of one forward pass.
        parameters: Parameters that the pass uses.
    """

    macs: int
    parameters: int


@dataclass(frozen=True)
class MacCount:
    """Cost of one forward pass.

    Args:
        macs: Multiply-accumulates.
        parameters: Parameters that the pass uses, shared ones once.
        unused: Parameters that it does not use.
        parts: Cost of each part that was asked for; what lies in none of them is in ``rest``.
        rest: Cost outside of the parts.
        uncounted: Operators that do arithmetic and have no formula, sorted.
    """

    macs: int
    parameters: int
    unused: int
    parts: dict[str, PartCount]
    rest: PartCount
    uncounted: tuple[str, ...]


@contextmanager
def countable() -> Iterator[None]:
    """Switch off gradients and what the counter cannot see into: fused attention and the fused Transformer layer."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel([SDPBackend.MATH]):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def count_macs(module: nn.Module, example_inputs: tuple[Any, ...], parts: Mapping[str, str] | None = None) -> MacCount:
    """Count one forward pass in eval mode, on a copy without memory; the module itself is neither run nor changed.

    A formula of one's own operator is made known with ``torch.utils.flop_counter.register_flop_formula``.

    Args:
        module: Network, on any device.
        example_inputs: Arguments of its forward, of the sizes to count for; tensors may lie on any device.
        parts: Name to module path of the parts to count one by one.

    Raises:
        UncountableError: The forward needs values and not only shapes, or a matrix of weights does arithmetic in an
            operator without a formula, so that the count would be too low without a word.

    >>> count_macs(nn.Linear(16, 32), (torch.zeros(10, 16),)).macs
    5120
    """
    copied = meta_copy(module)
    counter = FlopCounterMode(display=False)
    operations = dict.fromkeys(parts or {}, 0)
    with ExitStack() as stack:
        for name, path in (parts or {}).items():
            handles = _meter(copied.get_submodule(path), name, operations, counter.get_total_flops)
            for handle in handles:
                stack.callback(handle.remove)
        try:
            with countable(), OperatorWalk(copied) as walk, counter:
                copied(*meta_inputs(example_inputs))
        except (NotImplementedError, RuntimeError) as error:
            raise UncountableError(
                f"{type(module).__name__} does not run on shapes alone ({str(error).partition(chr(10))[0][:300]})"
            ) from error
    if silent := walk.silent_weights():
        name, operator = next(iter(silent.items()))
        raise UncountableError(
            f"{len(silent)} weight(s), {name} first, compute in {operator}, which no formula counts; write it as a "
            "matrix product, or as an operator with register_flop_formula"
        )
    used = {name: value for name, value in copied.named_parameters() if name in walk.touched}
    everything = sum(value.numel() for value in copied.parameters())
    counted = {name: PartCount(operations[name] // 2, _numel_below(used, path)) for name, path in (parts or {}).items()}
    total, parameters = counter.get_total_flops() // 2, sum(value.numel() for value in used.values())
    return MacCount(
        macs=total,
        parameters=parameters,
        unused=everything - parameters,
        parts=counted,
        rest=PartCount(
            total - sum(part.macs for part in counted.values()),
            parameters - sum(part.parameters for part in counted.values()),
        ),
        uncounted=tuple(sorted(walk.uncounted)),
    )


def fvcore_macs(module: nn.Module, example_inputs: tuple[Any, ...]) -> int:
    """Count one forward pass with fvcore, the counter of many published tables.

    It adds norms (0.3 to 0.6 % in common trunks) and leaves out what it knows no formula for. It really runs the
    network, on zeros on the CPU, and so takes the time and memory of that.

    Args:
        module: Network, on any device.
        example_inputs: Arguments of its forward; tensors may lie on any device.

    Raises:
        ImportError: fvcore is not installed.
    """
    from fvcore.nn import FlopCountAnalysis

    # fvcore traces, which torch does not do on the meta device; zeros are valid indices wherever a buffer holds some.
    copied = meta_copy(module).to_empty(device="cpu")
    for tensor in (*copied.parameters(), *copied.buffers()):
        tensor.zero_()
    inputs = tree_map_only(torch.Tensor, lambda tensor: torch.zeros(tensor.shape, dtype=tensor.dtype), example_inputs)
    with countable():
        analysis = FlopCountAnalysis(copied, inputs)
        return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def _meter(part: nn.Module, name: str, operations: dict[str, int], total: Callable[[], int]) -> list[Any]:
    """Add what happens between the beginning and the end of each call of ``part`` to its count."""

    def begin(*_: Any) -> None:
        operations[name] -= total()

    def end(*_: Any) -> None:
        operations[name] += total()

    return [part.register_forward_pre_hook(begin), part.register_forward_hook(end)]


def _numel_below(parameters: dict[str, nn.Parameter], path: str) -> int:
    return sum(value.numel() for name, value in parameters.items() if name.startswith(f"{path}."))
