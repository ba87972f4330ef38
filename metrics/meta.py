"""Networks and inputs as shapes alone, on the meta device: nothing is computed and no memory is used."""

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

Module = TypeVar("Module", bound=nn.Module)


def meta_copy(module: Module) -> Module:
    """Copy a network to the meta device in eval mode; the original is untouched, and shared weights stay shared."""
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=False)
    for buffer in module.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(module, memo).eval()


def meta_inputs(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Inputs with every tensor, also in nested lists and dicts, replaced by one on the meta device."""
    return tree_map_only(Tensor, lambda tensor: torch.empty_like(tensor, device="meta"), inputs)
