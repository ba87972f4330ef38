"""Running a network over large pictures tile by tile, with results that fade into each other."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm
from typing import Any, Literal

import torch
from torch import Tensor

Window = Literal["hann", "gaussian", "flat"]


def starts(side: int, tile: int, overlap: int, align: int = 1) -> list[int]:
    """Where tiles begin along one axis: evenly spread, the last one flush with the end.

    Args:
        side: Length of the axis.
        tile: Length of a tile, at most ``side``.
        overlap: Least overlap of two neighbours, less than ``tile``.
        align: All starts but the last one are multiples of it.

    Raises:
        ValueError: The overlap leaves no room for a step of ``align``.
    """
    if tile >= side:
        return [0]
    furthest = (tile - overlap) // align * align
    if overlap < 0 or furthest < 1:
        raise ValueError(f"tiles of {tile} that overlap by {overlap} cannot step by multiples of {align}")
    steps = -(-(side - tile) // furthest)
    step = -(-(side - tile) // (steps * align)) * align
    return sorted({min(index * step, side - tile) for index in range(steps + 1)})


def window_weights(length: int, window: Window) -> Tensor:
    """Weights of a tile along one axis, float64 (length,), positive everywhere.

    ``hann`` is a raised cosine; ``gaussian`` has a deviation of a tenth of the tile, so it wants overlaps of a third or
    more; ``flat`` averages.
    """
    places = (torch.arange(length, dtype=torch.float64) + 0.5) / length
    if window == "flat":
        return torch.ones_like(places)
    if window == "gaussian":
        return torch.exp(-(places - 0.5).square() / 0.02)
    return torch.sin(torch.pi * places).square()


def shares(side: int, tile: int, begins: list[int], window: Window) -> list[Tensor]:
    """What each tile contributes along one axis, float32 (tile,) each; they add up to 1 at every place."""
    weights = window_weights(tile, window)
    total = torch.zeros(side, dtype=torch.float64)
    for begin in begins:
        total[begin : begin + tile] += weights
    return [(weights / total[begin : begin + tile]).float() for begin in begins]


def tiled(
    function: Callable[..., Any],
    x: Tensor | tuple[Tensor, ...],
    *,
    tile: int,
    overlap: int,
    ratio: Fraction | int = 1,
    window: Window = "hann",
    batch: int = 1,
    align: int = 1,
) -> Any:
    """Apply a function to overlapping tiles and blend what it gives.

    A picture of one tile goes to the function as it is, and its result comes back untouched. Windows are products of
    two axes, so their shares are too, and each is normalised on its own. Sums are kept in float32.

    Args:
        function: From one tensor for each input, (n, c, h, w), to a tensor or a tuple of tensors, (n, ?, h * ratio,
            w * ratio). A network with norms or attention over places sees other statistics in a tile than in the whole
            picture, so its blended result is near the untiled one and not equal.
        x: Input (b, c, h, w), or several of one height and width, which are cut alike.
        tile: Side of a tile in places of ``x``; on an axis that is shorter, the axis.
        overlap: Least overlap of neighbours in places of ``x``.
        ratio: Side of the result over side of the input.
        window: Shape of the weights of a tile.
        batch: Tiles in one call.
        align: Tiles begin at multiples of it, but for the last one; multiples of what the network shrinks by in all
            keep it in step from tile to tile.

    Returns:
        What ``function`` returns, for the whole picture, in its dtypes.

    Raises:
        ValueError: Sides, tile and ratio do not go together, or the overlap is too large.
    """
    inputs = (x,) if isinstance(x, Tensor) else x
    ratio = Fraction(ratio)
    height, width = inputs[0].shape[-2:]
    if tile >= max(height, width):
        return function(*inputs)
    rows = _axis(height, tile, overlap, ratio, window, align)
    columns = _axis(width, tile, overlap, ratio, window, align)
    spots = list(product(rows, columns))
    size = (int(height * ratio), int(width * ratio))
    totals: list[Tensor] = []
    kinds: list[torch.dtype] = []
    several = False
    for first in range(0, len(spots), batch):
        group = spots[first : first + batch]
        results = function(
            *(torch.cat([part[..., row.taken, column.taken] for row, column in group]) for part in inputs)
        )
        several = not isinstance(results, Tensor)
        results = tuple(results) if several else (results,)
        if not totals:
            totals = [part.new_zeros(len(inputs[0]), part.shape[1], *size, dtype=torch.float32) for part in results]
            kinds = [part.dtype for part in results]
        for total, result in zip(totals, results, strict=True):
            for (row, column), piece in zip(group, result.split(len(inputs[0])), strict=True):
                share = (row.share[:, None] * column.share).to(total.device)
                total[..., row.given, column.given] += piece.float() * share
    done = tuple(total.to(kind) for total, kind in zip(totals, kinds, strict=True))
    return done if several else done[0]


@dataclass(frozen=True)
class _Span:
    """One tile along one axis: what it takes of the input, gives of the result, and its share there."""

    taken: slice
    given: slice
    share: Tensor


def _axis(side: int, tile: int, overlap: int, ratio: Fraction, window: Window, align: int) -> list[_Span]:
    tile = min(tile, side)
    if side % ratio.denominator or tile % ratio.denominator:
        raise ValueError(f"a side of {side} and a tile of {tile} must be multiples of {ratio.denominator}")
    begins = starts(side, tile, overlap, lcm(align, ratio.denominator))
    scaled = [int(begin * ratio) for begin in begins]
    size = int(tile * ratio)
    return [
        _Span(slice(begin, begin + tile), slice(place, place + size), share)
        for begin, place, share in zip(begins, scaled, shares(int(side * ratio), size, scaled, window), strict=True)
    ]
