"""Copies of networks that compute shapes and precisions but hold no values."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

Precision = Literal["32-true", "bf16-mixed"]
_NORMS = (nn.GroupNorm, nn.LayerNorm)
Module = TypeVar("Module", bound=nn.Module)


@contextmanager
def shadows(precision: Precision) -> Iterator[None]:
    """Within it tensors hold no memory, and operators choose precisions and fused attention as a device would.

    torch's fake tensors do the work; on the meta device attention would be told as a full matrix of scores.

    Args:
        precision: Lightning's name of the precision.
    """
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
        yield


def shadow_of(network: Module, precision: Precision) -> Module:
    """Copy a network within :func:`shadows`; ``requires_grad`` and the train flag stay as they are.

    Args:
        network: On any device, best on ``meta``.
        precision: In ``bf16-mixed`` norms compute in float32, as autocast on CUDA does and on the CPU does not.
    """
    mixed = precision == "bf16-mixed"
    single = {id(weight) for part in network.modules() if isinstance(part, _NORMS) for weight in part.parameters()}
    memo: dict[int, Any] = {}
    for weight in network.parameters():
        dtype = torch.float32 if mixed and id(weight) in single else weight.dtype
        memo[id(weight)] = nn.Parameter(_empty(weight, dtype), requires_grad=weight.requires_grad)
    for buffer in network.buffers():
        memo[id(buffer)] = _empty(buffer, buffer.dtype)
    shadow = copy.deepcopy(network, memo)
    if mixed:
        for part in shadow.modules():
            if isinstance(part, _NORMS):
                part.register_forward_pre_hook(lambda _, given: (given[0].float(), *given[1:]))
    return shadow


def _empty(like: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.empty(like.shape, dtype=dtype, device="cpu")
