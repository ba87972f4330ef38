"""Stands in for train.py in tests of the sweep: a run folder with a course, at once or slowly; goes on where it was."""

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    given = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:] if "=" in word)
    folder = Path(given["run.root"]) / "toy" / f"{given['run.variant']}-seed0"
    folder.mkdir(parents=True, exist_ok=True)
    rate, size = float(given["rate"]), int(given.get("size", 1))
    log = folder / "metrics.jsonl"
    with Path("starts.txt").open("a") as starts:
        starts.write(f"{given['run.variant']} {rate!r} {os.environ.get('CUDA_VISIBLE_DEVICES', '-')}\n")
    if size > 50:
        error = "CheckFailed: budget.max_gmacs: 500.00 GMACs a video are over the budget of 120; take fewer frames"
        (folder / "status.json").write_text(json.dumps({"state": "failed", "error": error}))
        sys.exit(1)
    if "break" in given and rate > float(given["break"]):
        sys.exit("error: the rate is too high for this program")
    done = len(log.read_text().splitlines()) if log.exists() else 0
    for step in range(done + 1, 6):
        time.sleep(float(given.get("pause", 0)))
        value = 1 - (rate - 0.3) ** 2 - 1 / (step + 5)
        with log.open("a") as lines:
            lines.write(json.dumps({"step": step, "epoch": step, "val/final_score": value}) + "\n")
    (folder / "summary.json").write_text(json.dumps({"gmacs": size / 2}))
    (folder / "status.json").write_text(json.dumps({"state": "finished"}))


if __name__ == "__main__":
    main()
