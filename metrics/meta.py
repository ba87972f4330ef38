"""Networks and inputs on the meta device: shapes and dtypes without numbers."""

from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree


def to_meta(inputs: Any) -> Any:
    """Every tensor in nested ``inputs`` on the meta device."""
    return pytree.tree_map(lambda value: value.to("meta") if isinstance(value, torch.Tensor) else value, inputs)


def leaves(values: Any) -> list[Any]:
    """All leaves of nested dicts, lists and tuples."""
    return pytree.tree_leaves(values)


def meta_copy(network: nn.Module) -> nn.Module:
    """A copy of ``network`` on the meta device; its weights are never copied in memory."""
    # A memo that already holds the meta tensors keeps deepcopy from copying the real ones.
    memo: dict[int, Any] = {}
    for parameter in network.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)
    for buffer in network.buffers():
        memo[id(buffer)] = buffer.detach().to("meta")
    return deepcopy(network, memo)
