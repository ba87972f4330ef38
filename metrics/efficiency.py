"""What one video costs a network: multiply-accumulates, parameters, memory, part by part."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from metrics.activation_memory import activation_bytes
from metrics.macs import count_macs, fvcore_macs


def efficiency(network: nn.Module, shapes: Mapping[str, tuple[int, ...]], fvcore: bool = False) -> dict[str, Any]:
    """Cost of scoring one video, told from shapes, without weights or data.

    Args:
        network: Takes a dict of views; on any device. Its ``branches``, ``fusion`` and ``head``, where it has them, are
            told one by one.
        shapes: View to shape without the batch; all frames, clips and crops of a video are in it.
        fvcore: Also count with fvcore, which runs the network once on the CPU.

    Returns:
        ``gmacs``, ``gflops`` (twice that), ``params_m`` (million parameters that are used), ``activation_mb`` (MiB in
        float32), ``branches`` (part to its ``gmacs`` and ``params_m``; parts that cost nothing are left out),
        ``uncounted`` (operators without a formula) and ``counters`` (``params_unused_m``; ``fvcore_gmacs`` when asked
        for).

    Raises:
        UncountableError: The cost cannot be told from shapes.
    """
    views = {name: torch.empty((1, *shape), dtype=torch.uint8, device="meta") for name, shape in shapes.items()}
    count = count_macs(network, (views,), _parts(network))
    counters = {"params_unused_m": count.unused / 1e6}
    if fvcore:
        counters["fvcore_gmacs"] = fvcore_macs(network, (views,)) / 1e9
    rows = {name: part for name, part in (*count.parts.items(), ("rest", count.rest)) if part.macs or part.parameters}
    return {
        "gmacs": count.macs / 1e9,
        "gflops": 2 * count.macs / 1e9,
        "params_m": count.parameters / 1e6,
        "activation_mb": activation_bytes(network, (views,)) / 2**20,
        "branches": {
            name: {"gmacs": part.macs / 1e9, "params_m": part.parameters / 1e6} for name, part in rows.items()
        },
        "uncounted": list(count.uncounted),
        "counters": counters,
    }


def _parts(network: nn.Module) -> dict[str, str]:
    """Name of a part to its module path."""
    children = dict(network.named_children())
    branches = children.get("branches", nn.ModuleDict()).named_children()
    return {name: f"branches.{name}" for name, _ in branches} | {
        name: name for name in ("fusion", "head") if name in children
    }
