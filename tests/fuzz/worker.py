"""Give broken files to readers, in a process that may die of it: ``-m tests.fuzz.worker NAMES FOLDER FIRST COUNT``."""

import json
import os
import random
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from records.errors import UserError
from records.images import UnreadableImage

# Memory that the cases may take beyond what sound files take, and time for each, by the processor's clock; the wall's
# is for a case that waits for something.
MEMORY, CPU_SECONDS, WALL_SECONDS = 1 << 30, 30, 300
# With these a sound reader stays far below.
LIMITS = {
    "IMAGE_PIXELS": 1 << 22,
    "VIDEO_PIXELS": 1 << 21,
    "VIDEO_FRAMES": 2000,
    "VIDEO_TOTAL_PIXELS": 1 << 27,
    "TEXT_BYTES": 1 << 24,
    "TABLE_ROWS": 1_000_000,
    "TABLE_BYTES": 1 << 27,
    "UNPACKED_BYTES": 1 << 25,
}


def main(names: str, folder: str, first: int, count: int) -> None:
    """Run ``count`` cases of each reader and tell of every fault by a line of JSON; what is run is noted beforehand."""
    from tests.fuzz.targets import TARGETS

    os.environ.update({f"SUGC_MAX_{limit}": str(value) for limit, value in LIMITS.items()})
    warnings.simplefilter("ignore")
    seeds = {}
    for name in names.split(","):
        place = Path(folder, name)
        place.mkdir(parents=True, exist_ok=True)
        seeds[name] = TARGETS[name].seeds(place / "seeds")
        for seed in seeds[name]:  # also loads everything that a reader loads late
            outcome, told = attempt(TARGETS[name].run, place, seed)
            assert outcome != "fault", told
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, sound in seeds.items():
        counts = {"read": 0, "refused": 0}
        with open(Path(folder, "case"), "wb", buffering=0) as noted:
            for case in range(first, first + count):
                os.pwrite(noted.fileno(), f"{name} {case:012}\n".encode(), 0)
                # The clocks end the process, not the case: a hang in a decoder's C code would not see an exception.
                signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
                signal.alarm(WALL_SECONDS)
                data = TARGETS[name].broken(sound, random.Random(f"{name} {case}"))
                outcome, told = attempt(TARGETS[name].run, Path(folder, name), data)
                if outcome == "fault":
                    print(json.dumps({"name": name, "case": case, "fault": told}), flush=True)
                else:
                    counts[outcome] += 1
        signal.alarm(0)
        print(json.dumps({"name": name, **counts}), flush=True)


def attempt(run: Callable[[Path, bytes], None], place: Path, data: bytes) -> tuple[str, str]:
    """``read``, ``refused``, or ``fault`` with what is wrong."""
    try:
        run(place, data)
    except (UserError, UnreadableImage) as error:
        text = str(error)
        # One sentence that any terminal and any table can hold.
        if not text or len(text) > 9000 or not text.isprintable():
            return "fault", f"a message that is no sentence: {text!r}"
        return "refused", ""
    except BaseException as error:
        return "fault", "".join(traceback.format_exception(error))[-3000:]
    return "read", ""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
