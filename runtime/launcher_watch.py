"""A rank ends with the process that started it."""

import os
import threading
import time

# Process id of a rank, for the ranks that it starts.
STARTED_BY = "SUGC_STARTED_BY"


def end_with_launcher(seconds: float = 1.0) -> None:
    """End this process soon after Lightning's first rank, or torchrun, that started it was killed.

    It would go on, with nobody to tell, until it next waits for the others: over hours of prediction beside the same
    command given again. Call it before anything slow.

    Args:
        seconds: How often to look.
    """
    launcher = os.environ.get(STARTED_BY)
    os.environ[STARTED_BY] = str(os.getpid())
    parent = os.getppid()
    # A process that was started by hand may outlive the shell it was started in.
    if launcher != str(parent) and "TORCHELASTIC_RUN_ID" not in os.environ:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="launcher-watch").start()
