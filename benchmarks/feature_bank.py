"""Reading the features of a batch of videos from feature banks, against one small .npy file a frame and expert.

    python benchmarks/feature_bank.py [--rounds 30] [--videos 400]

Four experts as in RQ-VQA: three with a row a frame (256, 495 and 4096 features on 8 frames), one with a row a video
(768). Filed frame by frame, as RQ-VQA has them, that is 25 files a video. Both sides give the same float32
array (8, 5615), which is checked. The floor copies as many bytes from one array in memory. Rounds alternate and read
other videos each time; the files are in the page cache for all.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from datamodules.video.views.expert_rows import ExpertRows
from records.bank_writer import BankWriter
from records.feature_bank import BankHeader, FeatureBank

FRAMES, BATCH = 8, 16
EXPERTS = {"fast_vqa": (1, 768), "liqe": (FRAMES, 495), "q_align": (FRAMES, 4096), "slowfast": (FRAMES, 256)}
TARGET_MS = 1.0


def write(folder: Path, ids: Sequence[str]) -> None:
    """The same features as banks and as small files."""
    draws = np.random.default_rng(0)
    for name, (tokens, width) in EXPERTS.items():
        rows = draws.normal(size=(len(ids), tokens, width)).astype(np.float16)
        header = BankHeader(name, "1", "", "s" * (tokens > 1), tokens, width)
        writer = BankWriter(FeatureBank.prepare(folder / "banks" / name, header, ids))
        writer.write(ids, rows)
        writer.close()
        for id, row in zip(ids, rows, strict=True):
            small = folder / "files" / name / id
            small.mkdir(parents=True)
            for place, token in enumerate(row):
                np.save(small / f"{place:03d}.npy", token.astype(np.float32))


def read_files(folder: Path, ids: Sequence[str]) -> torch.Tensor:
    """A batch from small files, a row of a whole video repeated for every frame."""
    batch = np.empty((len(ids), FRAMES, sum(width for _, width in EXPERTS.values())), np.float32)
    for row, id in zip(batch, ids, strict=True):
        first = 0
        for name, (tokens, width) in EXPERTS.items():
            for place in range(tokens):
                where = slice(None) if tokens == 1 else place
                row[where, first : first + width] = np.load(folder / "files" / name / id / f"{place:03d}.npy")
            first += width
    return torch.from_numpy(batch)


def milliseconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU time of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="measurements of each side")
    parser.add_argument("--videos", type=int, default=400, help="videos in the banks")
    args = parser.parse_args()
    torch.set_num_threads(1)
    ids = [f"{number:05d}.mp4" for number in range(args.videos)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, ids)
        view = ExpertRows(str(folder / "banks"), {name: width for name, (_, width) in EXPERTS.items()}, FRAMES)
        banks = [FeatureBank(folder / "banks" / name) for name in EXPERTS]
        memory = np.zeros((args.videos, *view.shape), np.float32)
        draws = np.random.default_rng(1)

        def batch() -> list[str]:
            return [ids[place] for place in draws.integers(0, len(ids), BATCH)]

        some = batch()
        if not torch.equal(torch.stack([view.read(id) for id in some]), read_files(folder, some)):
            raise SystemExit("error: the features differ")
        sides: dict[str, Callable[[list[str]], object]] = {
            "banks, float16 rows": lambda some: [bank.read_many(some) for bank in banks],
            "view, float32 batch": lambda some: torch.stack([view.read(id) for id in some]),
            "25 .npy a video": lambda some: read_files(folder, some),
            "floor: copy": lambda some: memory[: len(some)].copy(),
        }
        taken: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
        for turn in range(args.rounds + 1):
            order = list(sides)[turn % len(sides) :] + list(sides)[: turn % len(sides)]
            for side in order:
                some = batch()
                taken[side].append(milliseconds(lambda side=side, some=some: sides[side](some)))  # type: ignore[misc]
    size = sum(tokens * width * 2 for tokens, width in EXPERTS.values())
    print(f"batch of {BATCH}, {args.rounds} rounds, {size / 1e3:.0f} kB a video in float16; medians")
    print(f"{'':<22}{'wall ms':>9}{'cpu ms':>9}{'to files':>10}")
    files = statistics.median(cpu for _, cpu in taken["25 .npy a video"][1:])
    for side, values in taken.items():
        wall, cpu = (statistics.median(column) for column in zip(*values[1:], strict=True))
        print(f"{side:<22}{wall:>9.3f}{cpu:>9.3f}{cpu / files:>10.4f}")
    reached = statistics.median(wall for wall, _ in taken["banks, float16 rows"][1:])
    print(f"target: all rows of a batch in under {TARGET_MS:g} ms: {'met' if reached < TARGET_MS else 'NOT MET'}")


if __name__ == "__main__":
    main()
