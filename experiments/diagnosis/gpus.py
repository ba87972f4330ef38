"""CUDA devices as torch sees them, and why it sees none where the machine has one."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.diagnosis.finding import Finding, told
from records.disk import size_text

DRIVER = Path("/proc/driver/nvidia/version")
LITTLE = 4 * 2**30
_MEND = "pip install --force-reinstall torch torchvision"


def gpus(driver: Path = DRIVER) -> Iterator[Finding]:
    """Import of torch, its build, driver, devices, bf16, free memory and NCCL.

    Args:
        driver: File by which NVIDIA's driver tells its version on Linux.
    """
    try:
        import torch
    except Exception as error:
        yield Finding("error", "torch", f"cannot be imported ({told(error)})", _MEND)
        return
    there = _driver(driver)
    if torch.version.cuda is None:
        what = f"torch {torch.__version__} is built without CUDA"
        if there:
            yield Finding("warning", "gpu", f"{what}, and this machine has an NVIDIA driver ({there})", _MEND)
        else:
            yield Finding("note", "gpu", f"{what}; recipes of full size need a GPU")
        return
    if not torch.cuda.is_available():
        yield _unusable(torch, there)
        return
    yield Finding("ok", "gpu", f"CUDA {torch.version.cuda}, driver {there or 'of unknown version'}")
    for index in range(torch.cuda.device_count()):
        yield from _device(torch, index)
    if torch.distributed.is_available() and torch.distributed.is_nccl_available():
        yield Finding("ok", "nccl", ".".join(map(str, torch.cuda.nccl.version())))
    else:
        what = "this torch has none; several GPUs can only talk through gloo, which is slow"
        yield Finding("warning" if torch.cuda.device_count() > 1 else "note", "nccl", what, _MEND)


def _unusable(torch: Any, there: str | None) -> Finding:
    if there is None:
        what = f"torch {torch.__version__} has CUDA {torch.version.cuda}, this machine no NVIDIA driver that is seen"
        return Finding("note", "gpu", f"{what}; recipes of full size need a GPU")
    try:
        torch.cuda.init()
        reason = "no device is visible; is CUDA_VISIBLE_DEVICES set?"
    except Exception as error:  # RuntimeError, or AssertionError where the build has no CUDA after all
        reason = told(error)
    mend = f"nvidia-smi, then unset CUDA_VISIBLE_DEVICES, or a driver for CUDA {torch.version.cuda}, or {_MEND}"
    return Finding("warning", "gpu", f"driver {there}, CUDA {torch.version.cuda}, and no device ({reason})", mend)


def _device(torch: Any, index: int) -> Iterator[Finding]:
    about = f"gpu {index}"
    try:
        name = torch.cuda.get_device_name(index)
        free, total = torch.cuda.mem_get_info(index)
        with torch.cuda.device(index):
            half = torch.cuda.is_bf16_supported()
    except Exception as error:
        mend = f"nvidia-smi -i {index}, then export CUDA_VISIBLE_DEVICES to the other ones"
        yield Finding("error", about, f"does not answer ({told(error)})", mend)
        return
    said = f"{name}, {size_text(free)} of {size_text(total)} free"
    if not half:
        yield Finding("warning", about, f"{name} has no bf16", "--trainer.precision 32-true")
    if free < LITTLE:
        yield Finding("warning", about, f"{said}; another process holds the rest", "nvidia-smi, then end that process")
    else:
        yield Finding("ok", about, said + (", bf16" if half else ""))


def _driver(file: Path) -> str | None:
    """Version of NVIDIA's driver; None without one."""
    try:
        words = file.read_text(encoding="ascii", errors="replace").partition("\n")[0].split()
        return next((word for word in words if word[0].isdigit() and "." in word), "of unknown version")
    except OSError:
        return "of unknown version" if shutil.which("nvidia-smi") else None
