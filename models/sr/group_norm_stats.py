"""Group norms that see the same statistics in every tile, taken once from a smaller copy of the whole picture."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def held_statistics(network: nn.Module, run: Callable[[], Any]) -> Iterator[None]:
    """Within it every group norm of a network uses mean and deviation that it saw in ``run``.

    Tiles then agree on them, and with the whole picture as far as the smaller copy does. Done by hooks alone, which are
    gone afterwards.

    Args:
        network: Its group norms are meant, in whatever depth.
        run: Calls the network on the copy.
    """
    norms = [part for part in network.modules() if isinstance(part, nn.GroupNorm)]
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[norm] = _statistics(inputs[0], norm.num_groups)  # type: ignore[arg-type]

    def hold(norm: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        return _normalised(norm, inputs[0], *seen[norm]) if norm in seen else None  # type: ignore[arg-type]

    noting = [norm.register_forward_pre_hook(note) for norm in norms]
    try:
        run()
    finally:
        for handle in noting:
            handle.remove()
    holding = [norm.register_forward_hook(hold) for norm in norms]
    try:
        yield
    finally:
        for handle in holding:
            handle.remove()


def _statistics(x: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Variance and mean of each group, float32 (batch, groups, 1)."""
    return torch.var_mean(x.float().reshape(len(x), groups, -1), dim=-1, keepdim=True, correction=0)


def _normalised(norm: nn.GroupNorm, x: Tensor, variance: Tensor, mean: Tensor) -> Tensor:
    # Several tiles of the same pictures may come at once.
    mean, scale = (part.repeat(len(x) // len(part), 1, 1) for part in (mean, torch.rsqrt(variance + norm.eps)))
    grouped = (x.float().reshape(len(x), norm.num_groups, -1) - mean) * scale
    out = grouped.reshape(x.shape).to(x.dtype)
    if norm.affine:
        shape = (-1, *(1,) * (x.ndim - 2))
        out = out * norm.weight.reshape(shape) + norm.bias.reshape(shape)
    return out
