"""Memory that ran out: recognised whatever ran out of it, and given back."""

import gc
import sys

_WORDS = (
    "out of memory",  # CUDA, ROCm, MPS, XPU
    "DefaultCPUAllocator",
    "can't allocate memory",
    "Cannot allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "std::bad_alloc",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of a device or of the machine."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | OSError) and any(word in str(error) for word in _WORDS)


def give_back() -> None:
    """Free what a failed attempt left; to be called outside of the handler, whose traceback holds on to tensors."""
    torch = sys.modules.get("torch")
    gc.collect()
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
