"""An error that all ranks meet is told once, by the first of them."""

import os
import time

# The first rank, where this one was started by it.
_PARENT = os.getppid()


def started_by_first() -> bool:
    """Whether Lightning's first rank has started this process, and not torchrun or SLURM."""
    outside = "TORCHELASTIC_RUN_ID" in os.environ or "SLURM_PROCID" in os.environ
    return os.environ.get("LOCAL_RANK", "0") != "0" and not outside


def must_tell(seconds: float = 60.0) -> bool:
    """Whether this rank has to tell its error: it is no other rank's, or nobody started this process.

    The first rank is waited for: Lightning kills it as soon as it sees that one it has started ended with an error, and
    the exit code of the job would be that of the kill.

    Args:
        seconds: How long the first rank may take to end over the same error.
    """
    if not started_by_first():
        return True
    until = time.monotonic() + seconds
    while os.getppid() == _PARENT:
        if time.monotonic() > until:
            return True
        time.sleep(0.05)
    return False
