"""CPU cost of cutting fragments: ``Fragments`` against a plain loop over cells, as ratios.

    python benchmarks/fragments.py [--rounds 15]

Thirty-two portrait frames of 1080x1920 lie decoded in memory. All sides make the same mosaic, which is checked. The
loop gets its places ready made and slices all frames of a block at once, into uint8 or, as public loaders do, into
float32; ours draws its own places and works frame by frame, as a streaming decode hands them over. Rounds alternate, so
load on the machine hits all alike.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from datamodules.video.draw import Draw
from datamodules.video.samplers import Clip
from datamodules.video.views.fragments import Fragments, places

FRAMES, HEIGHT, WIDTH = 32, 1920, 1080
REPEATS = 5


class Decoded:
    """A frame in memory, with what a view reads of a picture."""

    def __init__(self, rgb: np.ndarray) -> None:
        self.array = rgb
        self.height, self.width = rgb.shape[:2]

    def rgb(self) -> np.ndarray:
        return self.array


def loop(video: torch.Tensor, corners: list[np.ndarray], view: Fragments, dtype: torch.dtype) -> torch.Tensor:
    """One slice assignment per cell and block; ``video`` is (T, 3, H, W), ``corners`` (2, cells) for each block."""
    patch = view.patch
    out = torch.zeros(FRAMES, 3, view.rows * patch, view.columns * patch, dtype=dtype)
    for block, corner in enumerate(corners):
        first, last = block * view.aligned, min((block + 1) * view.aligned, FRAMES)
        for row in range(view.rows):
            for column in range(view.columns):
                y, x = (int(value) for value in corner[:, row * view.columns + column])
                out[first:last, :, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch] = video[
                    first:last, :, y : y + patch, x : x + patch
                ]
    return out


def cpu_seconds(work: Callable[[], torch.Tensor]) -> float:
    start = time.process_time()
    for _ in range(REPEATS):
        work()
    return (time.process_time() - start) / REPEATS


def compare(video: np.ndarray, aligned: int, rounds: int) -> list[list[float]]:
    """CPU seconds of every round: ours, the uint8 loop, the float32 loop."""
    view = Fragments(Clip(FRAMES), aligned=aligned)
    draw = Draw(seed=0, epoch=0, id="clip.mp4", train=True)
    pictures = [Decoded(frame) for frame in video]
    tensor = torch.from_numpy(video).permute(0, 3, 1, 2)
    cells = view.rows * view.columns
    corners = []
    for block in range(-(-FRAMES // aligned)):
        fractions = np.array(draw.uniform(f"fragments {block}", 2 * cells)).reshape(2, -1)
        corners.append(np.stack(places(HEIGHT, WIDTH, [view.columns] * view.rows, view.patch, fractions, True)))

    def ours() -> torch.Tensor:
        return view.finish([view.render(picture, slot, draw) for slot, picture in enumerate(pictures)])

    def plain() -> torch.Tensor:
        return loop(tensor, corners, view, torch.uint8)

    def floating() -> torch.Tensor:
        return loop(tensor, corners, view, torch.float32)

    if not (torch.equal(ours(), plain()) and torch.equal(ours().float(), floating())):
        raise SystemExit("error: the mosaics differ")
    return [[cpu_seconds(work) for work in (ours, plain, floating)] for _ in range(rounds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each side")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    video = np.random.default_rng(0).integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    print(f"torch {torch.__version__}, one thread, {rounds} rounds, 32 frames of {WIDTH}x{HEIGHT}, 7x7 patches of 32")
    print(f"{'aligned':>8} {'ours ms':>9} {'uint8 loop ms':>14} {'ratio':>6} {'float loop ms':>14} {'ratio':>6}")
    for aligned in (32, 8, 1):
        seconds = compare(video, aligned, rounds)
        ours, plain, floating = (statistics.median(column) * 1e3 for column in zip(*seconds, strict=True))
        ratios = [statistics.median(row[0] / row[side] for row in seconds) for side in (1, 2)]
        print(f"{aligned:>8} {ours:>9.1f} {plain:>14.1f} {ratios[0]:>6.2f} {floating:>14.1f} {ratios[1]:>6.2f}")


if __name__ == "__main__":
    main()
