"""CPU cost of degrading pictures: the worker's and the torch executor against the chain as published, as ratios.

    python benchmarks/degradation.py [--side 512] [--plans 6] [--rounds 5] [--only realesrgan] [--device cuda]

All sides follow the same plans on the same picture. The reference has the published shape: dense convolutions in torch,
51x51 for the unsharp mask and 21x21 for blurs, and torch's generators for noise; its JPEG is our simulated one, a cheap
part of it. Rounds rotate the order, so load on the machine hits all alike, on one thread. Prints medians of CPU
seconds per picture and of ratios to the reference in the same round; then JSON lines. `--device` adds wall seconds of
the torch executor on an accelerator, which run beside no reference.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from datamodules.image.degradation import Degradation, Plan, jpeg, worker
from datamodules.image.degradation.codec import pass_codec
from datamodules.image.degradation.device import DeviceDegradation
from datamodules.image.degradation.kernels import kernels
from datamodules.image.degradation.noise import LUMA
from datamodules.image.degradation.plan import Blur, Noise, Resize
from datamodules.image.degradation.presets import PRESETS
from records.images import read_image, to_tensor

BATCH = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="picture to cut from; smooth colours with grain without it")
    parser.add_argument("--side", type=int, default=512, help="height and width, a multiple of 4")
    parser.add_argument("--plans", type=int, default=6, help="plans that a round follows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=list(PRESETS), help="one preset (default: all)")
    parser.add_argument("--device", help="also time the torch executor here, for example cuda")
    args = parser.parse_args()
    torch.set_num_threads(1)
    hr = scene(args.side) if args.picture is None else read_image(args.picture)[: args.side, : args.side]
    rows = [row for preset in ([args.only] if args.only else PRESETS) for row in compare(preset, hr, args)]
    print(f"torch {torch.__version__}, OpenCV {worker.opencv().__version__}, one thread, {args.side}x{args.side}")
    print(f"{'preset':11} {'way':22} {'CPU s':>7} {'ratio':>7} {'wall s':>7}")
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
        print(f"{row['preset']:11} {row['way']:22} {row['cpu_s']:7.4f} {ratio:>7} {row['wall_s']:7.4f}")
    for row in rows:
        print(json.dumps(row))


def compare(preset: str, hr: np.ndarray, args: argparse.Namespace) -> list[dict]:
    """Time all ways on one preset's plans, interleaved."""
    degradation = Degradation(preset)
    plans = [degradation.plan(0, 0, str(number), hr.shape[:2]) for number in range(args.plans)]
    one = to_tensor(hr)[None]
    many = [plans[first : first + BATCH] for first in range(0, len(plans), BATCH)]

    def on(device: str) -> None:
        for some in many:
            DeviceDegradation().apply(some, one.to(device).expand(len(some), -1, -1, -1))
        if device != "cpu":
            torch.accelerator.synchronize()

    ways: dict[str, Callable[[], None]] = {
        "reference, dense": lambda: [reference(plan, one) for plan in plans] and None,
        "worker": lambda: [degradation.apply(plan, hr) for plan in plans] and None,
        f"torch, batches of {BATCH}": lambda: on("cpu"),
    }
    if args.device:
        ways[f"torch on {args.device}"] = lambda: on(args.device)
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    names = list(ways)
    for way in names[1:]:  # warm-up: tables, codecs and kernels; the reference has none of its own
        ways[way]()
    for turn in range(args.rounds):
        for way in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.process_time(), time.perf_counter()
            ways[way]()
            taken[way].append((time.process_time() - began[0], time.perf_counter() - began[1]))
    base = [cpu for cpu, _ in taken[names[0]]]
    return [
        {
            "preset": preset,
            "way": way,
            "cpu_s": statistics.median(cpu for cpu, _ in taken[way]) / len(plans),
            "wall_s": statistics.median(wall for _, wall in taken[way]) / len(plans),
            "ratio": None
            if way.startswith("torch on")
            else statistics.median(cpu / other for (cpu, _), other in zip(taken[way], base, strict=True)),
        }
        for way in names
    ]


@torch.no_grad()
def reference(plan: Plan, x: torch.Tensor) -> torch.Tensor:
    """The plan in the published shape, (1, 3, h, w)."""
    if plan.sharpen:
        taps = worker.opencv().getGaussianKernel(worker.MASK_TAPS, 0)
        dense = torch.from_numpy((taps @ taps.T).astype(np.float32))
        detail = x - filtered(x, dense)
        share = filtered((detail.abs() > worker.MASK_THRESHOLD).float(), dense)
        x = share * (x + worker.MASK_WEIGHT * detail).clamp(0, 1) + (1 - share) * x
    x = round_of(x, plan.blur_1, plan.resize_1, plan.size_1, plan.noise_1)
    x = jpeg.compressed(x, [x.shape[2:]], [plan.jpeg_1])
    x = round_of(x, plan.blur_2, plan.resize_2, plan.size_2, plan.noise_2)
    if plan.jpeg_last:
        x = to_lr_size(plan, x)
    if plan.codec is not None:
        x = to_tensor(pass_codec(worker.to_bytes(x[0].permute(1, 2, 0).numpy()), plan.codec))[None]
    x = jpeg.compressed(x, [x.shape[2:]], [plan.jpeg_2])
    if not plan.jpeg_last:
        x = to_lr_size(plan, x)
    return x.mul(255).round().clamp(0, 255).div(255)


def round_of(x: torch.Tensor, blur: Blur | None, resize: Resize, size: tuple[int, int], noise: Noise) -> torch.Tensor:
    if blur is not None:
        x = filtered(x, torch.from_numpy(kernels([blur])[0]))
    return noisy(F.interpolate(x, size=size, mode=resize.mode), noise)


def to_lr_size(plan: Plan, x: torch.Tensor) -> torch.Tensor:
    x = F.interpolate(x, size=plan.lr_size, mode=plan.last_mode)
    return filtered(x, torch.from_numpy(kernels([plan.last_sinc])[0]))


def filtered(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Dense convolution of every channel, whatever the kernel is."""
    reach = len(kernel) // 2
    padded = F.pad(x, [reach] * 4, mode="reflect")
    return F.conv2d(padded.transpose(0, 1), kernel[None, None]).transpose(0, 1)


def noisy(x: torch.Tensor, noise: Noise) -> torch.Tensor:
    channels = 1 if noise.grey else 3
    if noise.kind == "gaussian":
        return (x + torch.randn(1, channels, *x.shape[2:]) * noise.strength / 255).clamp(0, 1)
    seen = (x * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True) if noise.grey else x
    seen = seen.mul(255).round().clamp(0, 255).div(255)
    photons = 2 ** np.ceil(np.log2(len(torch.unique(seen))))
    return (x + noise.strength * (torch.poisson(seen * photons) / photons - seen)).clamp(0, 1)


def scene(side: int) -> np.ndarray:
    """Smooth random colours with grain, uint8 (side, side, 3)."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (max(2, side // 32), max(2, side // 32), 3), np.uint8)
    smooth = worker.opencv().resize(coarse, (side, side), interpolation=worker.opencv().INTER_CUBIC)
    return np.clip(smooth + random.integers(-6, 7, (side, side, 1)), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
