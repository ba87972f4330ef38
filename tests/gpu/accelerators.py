"""Where a test body runs: on a GPU wherever there is one, and on the CPU to prove that the body itself is right."""

from typing import Any

import pytest
import torch

GPU = pytest.param(
    "gpu",
    marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
)


def cpu(*marks: Any) -> Any:
    """The CPU, under the markers that its cost asks for."""
    return pytest.param("cpu", marks=list(marks))


def device(accelerator: str) -> torch.device:
    """The device of an accelerator of Lightning's."""
    return torch.device("cuda", 0) if accelerator == "gpu" else torch.device("cpu")


def words(accelerator: str) -> tuple[str, ...]:
    """What puts a run of `train.py` there, in bf16-mixed."""
    return ("--trainer.accelerator", accelerator, "--trainer.devices", "1", "--trainer.precision", "bf16-mixed")
