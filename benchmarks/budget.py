"""Time of a budget check: counting on shapes against one plain forward and against fvcore, as ratios.

    python benchmarks/budget.py [--rounds 5] [--frames 8]

The student's trunk, Swin-T at 256 pixels with window 8, on one video. All sides get the same shapes; counting needs no
weights, the others have random ones. Rounds rotate the order, so load on the machine hits all alike. Prints medians of
CPU and wall seconds, ratios of CPU seconds to the plain forward, and what each side counts; then one JSON line.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

from metrics.activation_memory import activation_bytes
from metrics.macs import count_macs, fvcore_macs
from models.vqa.heads import TemporalEncoderHead
from models.vqa.network import VQANetwork
from models.vqa.timm_frames import TimmFrames


def student() -> VQANetwork:
    trunk = TimmFrames("swin_tiny_patch4_window7_224", img_size=256, window_size=8)
    return VQANetwork({"frames": trunk}, TemporalEncoderHead()).eval()


def seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """CPU and wall seconds of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each side")
    parser.add_argument("--frames", type=int, default=8, help="frames of the video")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    network = student()
    with torch.device("meta"):
        shapes_only = student()
    view = torch.randint(0, 256, (1, options.frames, 3, 256, 256), dtype=torch.uint8)
    inputs = ({"frames": view},)

    def forward() -> None:
        with torch.no_grad():
            network(*inputs)

    def build_and_count() -> None:
        with torch.device("meta"):
            fresh = student()
        count_macs(fresh, inputs)

    sides: dict[str, Callable[[], Any]] = {
        "plain forward, CPU": forward,
        "count on shapes": lambda: count_macs(shapes_only, inputs),
        "count a network with weights": lambda: count_macs(network, inputs),
        "build on shapes and count": build_and_count,
        "activation memory on shapes": lambda: activation_bytes(shapes_only, inputs),
        "fvcore, CPU": lambda: fvcore_macs(network, inputs),
    }
    for work in sides.values():
        work()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    names = list(sides)
    for turn in range(options.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            taken[name].append(seconds(sides[name]))
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in taken.items()}
    floor = medians["plain forward, CPU"][0]
    print(f"torch {torch.__version__}, one thread, {options.rounds} rounds, {options.frames} frames of 256x256")
    print(f"{'side':<30} {'CPU s':>8} {'wall s':>8} {'CPU ratio':>10}")
    for name, (cpu, wall) in medians.items():
        print(f"{name:<30} {cpu:8.3f} {wall:8.3f} {cpu / floor:10.3f}")
    ours, theirs = count_macs(shapes_only, inputs).macs / 1e9, fvcore_macs(network, inputs) / 1e9
    print(f"counted: {ours:.3f} GMACs on shapes, {theirs:.3f} by fvcore with norms ({theirs / ours - 1:+.2%})")
    facts = {"frames": options.frames, "gmacs": ours, "fvcore_gmacs": theirs}
    print(json.dumps(facts | {"cpu_s": {name: cpu for name, (cpu, _) in medians.items()}}))


if __name__ == "__main__":
    main()
