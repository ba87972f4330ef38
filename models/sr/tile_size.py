"""How large a tile may be: memory that is free, and memory that a network takes for a place."""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

_GROUP = Path("/sys/fs/cgroup")
# Part of the free memory that is planned with: kernels take scratch space that is not seen here.
SHARE = 0.5


def free_bytes(device: torch.device) -> int:
    """Memory that can still be taken: of a CUDA device, or of the machine and of the container it runs in."""
    if device.type == "cuda":
        # What torch keeps to itself but does not use is free too.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    known = [value for value in (_machine(), _container()) if value is not None]
    return min(known) if known else 4 * 2**30


def peak_bytes(function: Callable[..., Any], *inputs: Tensor) -> int:
    """Most memory that tensors made by a call hold at one time, whatever the device; inputs and weights left out."""
    with torch.no_grad(), _Live() as live:
        function(*inputs)
    return live.peak


def fitting_side(
    height: int, width: int, place: float, free: float, largest: int, smallest: int, batch: int = 1, step: int = 8
) -> int:
    """Largest side of a tile whose memory fits.

    Args:
        height: Of the picture, in places.
        width: Of the picture, in places.
        place: Bytes that one place of a tile takes.
        free: Bytes that may be taken.
        largest: Side to begin with.
        smallest: Side that is returned even where it does not fit.
        batch: Tiles in one call.
        step: Sides are ``largest`` less multiples of it.
    """
    side = largest
    while side - step >= smallest and min(side, height) * min(side, width) * place * batch > free:
        side -= step
    return side


class _Live(TorchDispatchMode):
    """Counts the bytes of storages that operators return, from their birth to their end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: Any = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor):
                # Views of weights must not count as new.
                self._known.setdefault(tensor.untyped_storage(), True)
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if not isinstance(tensor, Tensor) or (storage := tensor.untyped_storage()) in self._known:
                continue
            self._known[storage] = True
            self.now += storage.nbytes()
            weakref.finalize(storage, self._end, storage.nbytes()).atexit = False
        self.peak = max(self.peak, self.now)
        return out

    def _end(self, size: int) -> None:
        self.now -= size


def _machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _container() -> int | None:
    """What is left of a control group's limit; files that are only cached do not count as used."""
    try:
        limit = int((_GROUP / "memory.max").read_text(encoding="ascii"))
        used = int((_GROUP / "memory.current").read_text(encoding="ascii"))
        cached = dict(line.split() for line in (_GROUP / "memory.stat").read_text(encoding="ascii").splitlines())
        return max(0, limit - used + int(cached.get("inactive_file", 0)))
    except (OSError, ValueError):  # no such file, or "max"
        return None
