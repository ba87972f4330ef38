"""Run one command of a study: its words to a log, its end to a record, on GPUs that no other job holds."""

import argparse
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from experiments.search.trial import identity
from records.files import write_json

# In the environment of every process of a study: host, process id and start of the study's own process.
ENGINE = "SUGC_STUDY_ENGINE"
# Seconds between two looks for a free GPU.
PAUSE = 1.0


def main(arguments: list[str] | None = None) -> int:
    """Run it; the record is written when it went well."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    split = words.index("--")
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--cwd", "--log", "--record"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--gpus")
    parser.add_argument("--count", type=int, default=1)
    args = parser.parse_args(words[:split])
    command = words[split + 1 :]
    if engine_is_gone():
        return 1  # Snakemake lives on and would begin one job after the other
    log, record = args.log.resolve(), args.record.resolve()
    log.parent.mkdir(parents=True, exist_ok=True)
    devices = args.gpus.split(",") if args.gpus else []
    with held(devices, args.count if devices else 0, record.parents[1]) as mine, log.open("ab") as out:
        environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": ",".join(mine)} if mine else {})}
        began = time.time()
        process = subprocess.Popen(
            command, cwd=args.cwd, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
        )
        # A run saves its state on SIGTERM.
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while (code := process.poll()) is None:
            time.sleep(PAUSE / 5)
            if engine_is_gone():
                process.terminate()
    if code == 0:
        told = {"state": "done", "seconds": round(time.time() - began, 1), "ended": time.time(), "command": command}
        write_json(record, told)
    return code if code >= 0 else 128 - code


def engine_is_gone() -> bool:
    """Whether the study's own process, on this machine, was killed; False where nobody can tell."""
    host, _, known = os.environ.get(ENGINE, "").partition(" ")
    return bool(known) and host == socket.gethostname() and identity(int(known.split()[0])) != known


@contextlib.contextmanager
def held(devices: list[str], count: int, folder: Path) -> Iterator[list[str]]:
    """Hold that many of the devices until the end; waits until so many are free."""
    while True:
        with contextlib.ExitStack() as stack:
            mine = []
            for device in devices:
                file = stack.enter_context((folder / f"gpu-{device}.lock").open("a"))
                with contextlib.suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    mine.append(device)
                if len(mine) == count:
                    break
            if len(mine) == count:
                yield mine
                return
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main())
