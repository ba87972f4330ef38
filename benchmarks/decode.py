"""What getting a few RGB frames out of a video costs: our planned reader against the ways one would write by hand.

    python benchmarks/decode.py [--clip VIDEO] [--rounds 7]

Two clips of 8 s, 1080x1920, 30 fps, H.264 with B frames are made, from --clip or from a generated scene: one with a
key frame every 2 s, one with a single key frame. All ways run in one process, interleaved in rotating order after a
warm-up, on one thread, and return the same frames as uint8 RGB; the largest pixel difference to plain decoding stands
beside each ratio. CPU seconds are medians (quartiles in the JSON lines); ratios are to the same frames by plain PyAV
decoding, and `floor` is that decoding alone, without a single conversion.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain, cycle, islice
from pathlib import Path

import av
import numpy as np

from datamodules.video.reader import VideoReader

FRAMES, RATE, HEIGHT, WIDTH = 240, 30, 1920, 1080
TASKS = {
    "8 frames, one per second": [30 * i for i in range(8)],
    "32 frames, every 2nd from the middle": [88 + 2 * i for i in range(32)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="footage to make the clips from; a generated scene without it")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, gop in (("short GOP", 60), ("one GOP", FRAMES)):
            path = Path(folder) / f"{gop}.mp4"
            encode(path, gop, footage(args.clip))
            for task, indices in TASKS.items():
                rows += compare(name, task, path, indices, args.rounds)
    print(f"{'clip':10} {'task':38} {'way':12} {'CPU s':>7} {'ratio':>6} {'wall s':>7} {'packets':>8} {'max diff':>8}")
    for row in rows:
        print(
            f"{row['clip']:10} {row['task']:38} {row['way']:12} {row['cpu_s']:7.3f} {row['ratio']:6.2f}"
            f" {row['wall_s']:7.3f} {row['packets'] or '':>8} {row['max_difference']:>8}"
        )
    for row in rows:
        print(json.dumps(row))


def compare(clip: str, task: str, path: Path, indices: list[int], rounds: int) -> list[dict]:
    """Time all ways on one clip, interleaved."""
    ways: dict[str, Callable[[Path, list[int]], np.ndarray]] = {"plain": plain, "floor": floor, "planned": planned}
    ways["seek each"] = seek_each
    try:
        import decord  # noqa: F401
    except ImportError:
        print("decord is not installed: left out")
    else:
        ways |= {"decord": decord_batch, "via decord": via_decord}
    truth = plain(path, indices)
    differences = {way: difference(run(path, indices), truth) for way, run in ways.items()}  # also the warm-up
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    wall: dict[str, list[float]] = {way: [] for way in ways}
    names = list(ways)
    for turn in range(rounds):
        for way in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.process_time(), time.perf_counter()
            ways[way](path, indices)
            cpu[way].append(time.process_time() - began[0])
            wall[way].append(time.perf_counter() - began[1])
    with VideoReader(path) as reader:
        for _ in reader.pictures(indices):
            pass
        packets = reader.counters.decoded_packets
    return [
        {
            "clip": clip,
            "task": task,
            "way": way,
            "cpu_s": statistics.median(cpu[way]),
            "quartiles": statistics.quantiles(cpu[way], n=4)[::2],
            "ratio": statistics.median(a / b for a, b in zip(cpu[way], cpu["plain"], strict=True)),
            "wall_s": statistics.median(wall[way]),
            "packets": packets if way == "planned" else None,
            "max_difference": differences[way],
        }
        for way in names
    ]


def planned(path: Path, indices: list[int]) -> np.ndarray:
    with VideoReader(path) as reader:
        return np.stack([picture.rgb() for picture in reader.pictures(indices)])


def via_decord(path: Path, indices: list[int]) -> np.ndarray:
    with VideoReader(path, "decord") as reader:
        return np.stack([picture.rgb() for picture in reader.pictures(indices)])


def plain(path: Path, indices: list[int]) -> np.ndarray:
    """Decode from the start to the last wanted frame, convert the wanted ones."""
    wanted = set(indices)
    with av.open(str(path)) as container:
        frames = enumerate(islice(one_thread(container), max(indices) + 1))
        return np.stack([frame.to_ndarray(format="rgb24") for index, frame in frames if index in wanted])


def floor(path: Path, indices: list[int]) -> None:
    """Decode as ``plain`` does, convert nothing."""
    with av.open(str(path)) as container:
        for _ in islice(one_thread(container), max(indices) + 1):
            pass


def seek_each(path: Path, indices: list[int]) -> np.ndarray:
    """Seek to the key frame before every wanted frame, decode up to it."""
    out = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for index in indices:
            target = round(index / RATE / stream.time_base)
            container.seek(target, stream=stream)
            out.append(next(frame for frame in one_thread(container) if frame.pts >= target).to_ndarray(format="rgb24"))
    return np.stack(out)


def decord_batch(path: Path, indices: list[int]) -> np.ndarray:
    import decord

    return decord.VideoReader(str(path), num_threads=1).get_batch(indices).asnumpy()


def one_thread(container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    stream = container.streams.video[0]
    if not stream.codec_context.is_open:
        stream.codec_context.thread_count = 1
        stream.codec_context.thread_type = "NONE"
    return container.decode(stream)


def difference(ours: np.ndarray | None, truth: np.ndarray) -> int | str:
    return "" if ours is None else int(np.abs(ours.astype(np.int16) - truth).max())


def encode(path: Path, gop: int, frames: Iterator[av.VideoFrame]) -> None:
    """Write one clip."""
    options = {"crf": "26", "preset": "medium", "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0", "bf": "3"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def footage(clip: Path | None) -> Iterator[av.VideoFrame]:
    """Frames of 1080x1920: a real clip there and back until it is long enough, or a panned picture with grain."""
    if clip is None:
        yield from scene()
        return
    with av.open(str(clip)) as container:
        stream = container.streams.best("video")
        small = [frame.reformat(format="yuv420p") for frame in islice(container.decode(stream), FRAMES)]
    there_and_back = chain(small, small[-2:0:-1])
    for frame in islice(cycle(there_and_back), FRAMES):
        yield frame.reformat(width=WIDTH, height=HEIGHT, interpolation="BICUBIC", dst_color_range="MPEG")


def scene() -> Iterator[av.VideoFrame]:
    """Smooth random texture, panned by 3 pixels a frame, under grain that changes with every frame."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, ((HEIGHT + 2 * FRAMES) // 24, (WIDTH + 3 * FRAMES) // 24, 3), np.uint8)
    big = av.VideoFrame.from_ndarray(coarse, format="rgb24")
    canvas = big.reformat(width=WIDTH + 3 * FRAMES, height=HEIGHT + 2 * FRAMES, interpolation="BICUBIC").to_ndarray()
    grain = random.integers(-6, 7, (HEIGHT + 64, WIDTH + 64, 1), np.int16)
    for index in range(FRAMES):
        dy, dx = random.integers(0, 64, 2)
        view = canvas[2 * index : 2 * index + HEIGHT, 3 * index : 3 * index + WIDTH]
        noisy = view + grain[dy : dy + HEIGHT, dx : dx + WIDTH]
        yield av.VideoFrame.from_ndarray(np.clip(noisy, 0, 255).astype(np.uint8), format="rgb24")


if __name__ == "__main__":
    main()
