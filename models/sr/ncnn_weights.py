"""Weights of networks that the inference library ncnn has stored as a pair of ``.param`` and ``.bin`` files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

MAGIC = "7767517"
# Stands before the weights of a convolution: half precision, or single precision.
HALF, SINGLE = 0x01306B47, 0
_NO_WEIGHTS = {"Input", "Split", "Concat", "Eltwise", "BinaryOp", "Interp", "PixelShuffle"}


def read_ncnn(param: str | Path, binary: str | Path) -> list[Tensor]:
    """Read all weights in the order of the layers.

    The format, found in the files themselves: the text names a layer a line with numbered settings; the binary holds
    for each convolution a tag of 4 bytes, its weights (half precision, filled up to 4 bytes, or single) and its bias in
    single precision, and for each PReLU its slopes in single precision.

    Args:
        param: Text file with the layers.
        binary: File with the weights.

    Returns:
        float32 tensors: weight (out, in, k, k) and bias (out) of each convolution, slopes (channels) of each PReLU.

    Raises:
        ValueError: A layer with weights of a kind that is not known, or a binary that does not fit the text.
    """
    try:
        return _read(param, binary)
    except (ValueError, KeyError, IndexError, RuntimeError, OverflowError) as error:
        if str(param) in str(error) or str(binary) in str(error):
            raise
        raise ValueError(f"{param} is not a sound ncnn text file ({type(error).__name__})") from error


def _read(param: str | Path, binary: str | Path) -> list[Tensor]:
    lines = Path(param).read_text(encoding="ascii").splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise ValueError(f"{param} is not an ncnn text file")
    content = memoryview(Path(binary).read_bytes())
    place, found = 0, []

    def take(count: int, kind: str) -> Tensor:
        nonlocal place
        size = count * np.dtype(kind).itemsize
        if place + size > len(content):
            raise ValueError(f"{binary} ends before the weights that {Path(param).name} names")
        values = np.frombuffer(content[place : place + size], kind).astype(np.float32)
        place += -(-size // 4) * 4
        return torch.from_numpy(values)

    for line in lines[2:]:
        kind, _, inputs, outputs, *rest = line.split()
        settings = dict(pair.split("=") for pair in rest[int(inputs) + int(outputs) :])
        if kind == "Convolution":
            out, side, count = (int(settings[key]) for key in ("0", "1", "6"))
            tag = int.from_bytes(content[place : place + 4], "little")
            place += 4
            if tag not in (HALF, SINGLE):
                raise ValueError(f"{binary} stores weights in a way that is not known: tag {tag:#x} at {place - 4}")
            found.append(take(count, "<f2" if tag == HALF else "<f4").reshape(out, -1, side, side))
            if settings.get("5") == "1":
                found.append(take(out, "<f4"))
        elif kind == "PReLU":
            found.append(take(int(settings["0"]), "<f4"))
        elif kind not in _NO_WEIGHTS:
            raise ValueError(f"{param} has a layer of a kind that is not known: {kind}")
    if place != len(content):
        raise ValueError(f"{binary} holds {len(content) - place} bytes more than {Path(param).name} names")
    return found


def load_in_order(network: nn.Module, tensors: Sequence[Tensor]) -> None:
    """Copy tensors into a network's parameters, pairing the two in order.

    Raises:
        ValueError: Their number or a shape differs.
    """
    parameters = dict(network.named_parameters())
    if len(parameters) != len(tensors):
        raise ValueError(f"{len(tensors)} stored tensors for {len(parameters)} parameters")
    with torch.no_grad():
        for (name, parameter), tensor in zip(parameters.items(), tensors, strict=True):
            if parameter.shape != tensor.shape:
                raise ValueError(f"{name} is {tuple(parameter.shape)}, but {tuple(tensor.shape)} is stored")
            parameter.copy_(tensor)
