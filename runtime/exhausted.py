"""Memory or disk that ran out, in one sentence with what to lower."""

from records.disk import MEND, DiskFull, is_disk_full
from records.errors import CheckFailed

_TRAINING = (
    "lower data.init_args.batch_size (and raise trainer.accumulate_grad_batches as much), use "
    "--trainer.precision bf16-mixed, or read fewer or smaller frames; `fit --dry_run` forecasts the memory"
)
_ELSEWHERE = "lower data.init_args.batch_size or data.init_args.num_workers, or use a device with more memory"


def exhausted(error: BaseException, command: str) -> CheckFailed | None:
    """What to tell the user of an error that says that memory or a disk is full; None for any other.

    Args:
        error: Any error.
        command: ``fit``, or another command.
    """
    from models.memory import is_out_of_memory

    first = " ".join(str(error).split())[:200] or type(error).__name__
    if is_out_of_memory(error):
        mend = _TRAINING if command == "fit" else _ELSEWHERE
        return CheckFailed(f"out of memory ({first})", where=command, mend=mend)
    if _of_shared_memory(first):
        mend = "give the container more (docker run --shm-size 8g), or set data.init_args.num_workers: 0"
        return CheckFailed(f"a data worker ran out of shared memory ({first})", where="/dev/shm", mend=mend)
    if "DataLoader worker" in first and "killed" in first.lower():
        mend = "lower data.init_args.num_workers or prefetching; the system may have been out of memory"
        return CheckFailed(f"a data worker was killed ({first})", where=command, mend=mend)
    if is_disk_full(error):
        return DiskFull(f"a disk is full ({first})", where=command, mend=MEND)
    return None


def _of_shared_memory(text: str) -> bool:
    return "Bus error" in text or "/dev/shm" in text or "unable to write to file </torch" in text
