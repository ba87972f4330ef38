"""Label table of a synthetic pool: processor time and peak memory of reading parts, filtering, and writing the table.

`python benchmarks/pseudo_labels.py [--rows 1000000]` prints one line a stage; each is a process of its own, so that
peaks add nothing to each other.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from datamodules.dataset import Clip
from records.labels import Label

PARTS = 4
IDENTITY = {"teacher": ["0" * 64] * 10, "config": "0" * 16, "stand_ins": []}


def id_of(place: int) -> str:
    return f"shard-{place // 1000:05d}/clip-{place:08d}.mp4"


class Pool:
    """The side of a data module that the writer asks."""

    def __init__(self, rows: int) -> None:
        self.clips = [Clip(id, Path("pool") / id, id) for id in map(id_of, range(rows))]

    def labels(self, split: str) -> list[Label]:
        return [Label(clip.id, None, clip.content, split) for clip in self.clips]

    def unreadable(self, split: str) -> set[str]:
        return set()

    def leaks(self) -> list[SimpleNamespace]:
        places = range(0, len(self.clips), 10_000)
        return [SimpleNamespace(id=id_of(place), guarded_id="val/0001.mp4", reason="looks alike") for place in places]

    def copies(self) -> list[tuple[str, str]]:
        return [(id_of(place - 1), id_of(place)) for place in range(1, len(self.clips), 100)]


def write_parts(folder: Path, rows: int, batch: int = 1024) -> None:
    """What the ranks leave behind; one fsync a batch."""
    from records.label_parts import LabelPart

    for rank in range(PARTS):
        part = LabelPart(folder / "labels.parts", rank, IDENTITY)
        generator = np.random.default_rng(rank)
        places = range(rank, rows, PARTS)
        for start in range(0, len(places), batch):
            some = places[start : start + batch]
            scores = generator.normal(3, 0.8, len(some)).astype(np.float32).tolist()
            spreads = generator.gamma(2, 0.05, len(some)).astype(np.float32).tolist()
            part.add(list(zip(map(id_of, some), scores, spreads, strict=True)))
        part.close()


def hold_pool(folder: Path, rows: int) -> None:
    """The list of clips that every rank's data module keeps."""
    Pool(rows)


def look_up(folder: Path, rows: int) -> None:
    """What a rank does before it goes on: which clips are done."""
    from records.label_parts import LabelledIds

    done = LabelledIds(folder / "labels.parts", IDENTITY)
    assert len(done) == rows
    assert all(id_of(place) in done for place in range(0, rows, 1000))


def merge(folder: Path, rows: int) -> float:
    """Read the parts, filter, write the table; the time is without that of making the pool."""
    from callbacks.pseudo_labels import PseudoLabelWriter

    writer = PseudoLabelWriter(str(folder / "labels.parquet"))
    writer._table, writer._identity = folder / "labels.parquet", IDENTITY
    pool = Pool(rows)
    began = time.process_time()
    writer._merge(pool, transductive=False)
    return time.process_time() - began


def read_table(folder: Path, rows: int) -> None:
    """What a student does."""
    from records.pseudo_labels import read_pseudo_labels

    read_pseudo_labels(folder / "labels.parquet")


def imports(folder: Path, rows: int) -> None:
    """The libraries alone, which every other stage pays too."""
    import pyarrow.parquet  # noqa: F401

    import callbacks.pseudo_labels  # noqa: F401


def measure(stage, folder: Path, rows: int) -> tuple[float, float]:
    """Seconds and peak MiB of a stage in a process of its own."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_timed, args=(stage, folder, rows, queue))
    process.start()
    result = queue.get()
    process.join()
    return result


def _timed(stage, folder: Path, rows: int, queue) -> None:
    began = time.process_time()
    own = stage(folder, rows)
    queue.put((own or time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stage in (imports, hold_pool, write_parts, look_up, merge, read_table):
            seconds, peak = measure(stage, folder, rows)
            print(f"{stage.__name__:12s} {rows:9d} rows  {seconds:6.1f} s of processor  peak {peak:6.0f} MiB")
        parts = sum(path.stat().st_size for path in (folder / "labels.parts").iterdir())
        table = (folder / "labels.parquet").stat().st_size
        print(f"disk         {parts / rows:.0f} bytes a row in parts, {table / rows:.0f} in the table")


if __name__ == "__main__":
    main()
