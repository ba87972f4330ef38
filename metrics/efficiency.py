"""The efficiency figures of a quality network, as budgets and tables print them."""

from typing import Any

import torch
from torch import nn

from metrics.activation_memory import activation_bytes
from metrics.macs import count_macs


def efficiency(network: nn.Module, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Cost of one video.

    Args:
        network: ``forward(views)`` with submodules ``branches``, optionally ``fusion`` and ``head``.
        shapes: View name to its shape without batch.

    Returns:
        ``gmacs`` (10^9 multiply-accumulates), ``gflops`` (twice that), ``params_m`` (10^6 parameters that the forward
        touches), ``unused`` (parameters that it does not), ``activation_mb`` (peak of live activations, 2^20 bytes),
        ``branches`` (name to its gmacs and params_m; ``fusion`` and ``head`` stand beside the branches) and
        ``uncounted`` (operators whose arithmetic is not in the count).
    """
    views = {name: torch.empty(1, *shape, dtype=torch.uint8, device="meta") for name, shape in shapes.items()}
    cost = count_macs(network, views)
    parts = {f"branches.{name}": name for name, _ in network.branches.named_children()}  # type: ignore[union-attr]
    parts |= {name: name for name in ("fusion", "head") if isinstance(getattr(network, name, None), nn.Module)}
    return {
        "gmacs": cost.macs / 1e9,
        "gflops": 2 * cost.macs / 1e9,
        "params_m": cost.params / 1e6,
        "activation_mb": activation_bytes(network, views) / 2**20,
        "branches": {
            shown: {
                "gmacs": cost.by_module.get(path, 0) / 1e9,
                "params_m": sum(value.numel() for value in network.get_submodule(path).parameters()) / 1e6,
            }
            for path, shown in parts.items()
        },
        "uncounted": cost.uncounted,
        "unused": cost.unused,
    }
