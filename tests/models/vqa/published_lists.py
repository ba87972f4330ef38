"""Names and shapes of published weights, with what the published code computes from weights made by a formula.

Each list in ``published/`` was taken from the published code, run outside of this project: its tensors, and under
``probe`` the features it gave for ``pixels`` when its weights were ``weights(...)``. So a network of ours that takes
the same weights through its map of names, and gives the same features, has the published structure.
"""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "published"


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def weights(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Weights that a formula gives for each name; the same on every machine and under every version."""
    return {name: weight(name, shape) for name, shape in shapes.items()}


def weight(name: str, shape: list[int]) -> Tensor:
    """Uniform numbers, scaled so that a deep network neither fades nor explodes."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1)
    numbers = uniform(math.prod(shape), zlib.crc32(name.encode())).view(shape)
    if len(shape) > 1:
        spread = 1.0 if "table" in name else math.sqrt(6 / math.prod(shape[1:]))
        return spread * (2 * numbers - 1)
    return 0.5 + numbers if name.endswith(("weight", "var")) else 0.2 * (numbers - 0.5)


def pixels(frames: int, side: int) -> Tensor:
    """A view of one video, uint8 (1, frames, 3, side, side)."""
    return (256 * uniform(frames * 3 * side * side, 1)).to(torch.uint8).view(1, frames, 3, side, side)


def uniform(count: int, seed: int) -> Tensor:
    """Numbers in 0..1 in whole-number arithmetic alone."""
    steps = torch.arange(count, dtype=torch.int64) * 2654435761 + seed
    mixed = (steps ^ (steps >> 15)) * 40503 & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 13)) * 1274126177) & 0xFFFFFFFF
    return (mixed >> 8).float() / 2**24
