"""Processors, memory, open files and shared memory: what loaders and threads may take."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from experiments.diagnosis.finding import Finding
from records.disk import size_text

GROUPS = Path("/sys/fs/cgroup")
SHARED = Path("/dev/shm")
# A batch of 28 clips, 8 frames of 384 px and 32 of 224 px each, takes 234 MB, and a worker holds two that are ready.
WORKER_BYTES = 2 * 234 * 10**6
LITTLE_MEMORY = 4 * 2**30
FEW_FILES = 1024


def threads(groups: Path = GROUPS) -> Iterator[Finding]:
    """Processors that may be used, against the threads that torch will start in every process.

    Args:
        groups: Where control groups are mounted.
    """
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    quota = _quota(groups)
    usable = allowed if quota is None else max(1, min(allowed, int(quota)))
    limits = [f"{allowed} by affinity"] if allowed < machine else []
    limits += [f"{quota:g} by the container's quota"] if quota is not None and quota < machine else []
    what = f"{machine} of the machine" + "".join(f", {limit}" for limit in limits)
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    mend = f"export OMP_NUM_THREADS={usable}"
    if said and not (said.isdigit() and int(said) > 0):
        yield Finding("warning", "processors", f"{what}; OMP_NUM_THREADS is {said!r}, no number of threads", mend)
    elif said and int(said) > usable:
        yield Finding("warning", "processors", f"{what}; OMP_NUM_THREADS={said} is more than may be used", mend)
    elif not said and usable < allowed:
        yield Finding("warning", "processors", f"{what}; without OMP_NUM_THREADS torch starts {allowed} threads", mend)
    else:
        yield Finding("ok", "processors", f"{what}; OMP_NUM_THREADS {said or 'not set'}")


def memory() -> Iterator[Finding]:
    """Memory that is free, of the machine and of the container."""
    try:
        import torch

        from models.sr.tile_size import free_bytes
    except Exception:  # told where torch is looked at
        yield Finding("note", "memory", "not known without torch")
        return
    free = free_bytes(torch.device("cpu"))
    if free < LITTLE_MEMORY:
        mend = "train with less beside it: --data.init_args.num_workers 0, a smaller --data.init_args.batch_size"
        yield Finding("warning", "memory", f"{size_text(free)} free", mend)
    else:
        yield Finding("ok", "memory", f"{size_text(free)} free")


def open_files() -> Iterator[Finding]:
    """Files that a process may hold open: every tensor that a loader's worker sends is one."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    if soft != resource.RLIM_INFINITY and soft < FEW_FILES:
        enough = "4096" if hard == resource.RLIM_INFINITY or hard >= 4096 else most
        what = f"a process may open {soft} (up to {most} if asked for), and each tensor from a worker is one"
        yield Finding("warning", "open files", what, f"ulimit -n {enough}")
    else:
        yield Finding("ok", "open files", f"a process may open {soft}")


def shared_memory(workers: int, folder: Path = SHARED) -> Iterator[Finding]:
    """Room through which a loader's workers hand batches over.

    Args:
        workers: Processes that load, on all ranks of this machine.
        folder: Where shared memory is mounted.
    """
    if not folder.is_dir():
        return
    free, need = shutil.disk_usage(folder).free, workers * WORKER_BYTES
    said = f"{size_text(free)} free in {folder}; {workers} workers with large batches take up to {size_text(need)}"
    if free < need:
        fewer = free // WORKER_BYTES
        mend = f"mount -o remount,size={need // 2**30 + 1}G {folder}"
        mend += f", docker run --shm-size={need // 2**30 + 1}g, or --data.init_args.num_workers {fewer}"
        yield Finding("warning", "shared memory", said, mend)
    else:
        yield Finding("ok", "shared memory", said)


def _quota(groups: Path) -> float | None:
    """Processors that the control groups of this process grant; None without a limit."""
    found = []
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    inner = {line.partition("::")[2].strip("/") for line in lines if line.startswith("0::")} | {""}
    for folder in {part for path in inner for part in (groups / path, *(groups / path).parents)}:
        if folder.is_relative_to(groups):
            found.append(_share(folder / "cpu.max"))
    old = groups / "cpu"
    try:
        limit = int((old / "cpu.cfs_quota_us").read_text())
        found.append(limit / int((old / "cpu.cfs_period_us").read_text()) if limit > 0 else None)
    except (OSError, ValueError):
        pass
    return min((value for value in found if value is not None), default=None)


def _share(file: Path) -> float | None:
    try:
        limit, period = file.read_text(encoding="ascii").split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None
