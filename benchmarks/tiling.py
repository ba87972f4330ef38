"""Memory, time and difference of a restoration in tiles against one in one piece, each in a process of its own.

    python benchmarks/tiling.py [--size 900 1200] [--tile 64] [--base FOLDER] [--picture FILE]

The adapters are fresh, so the base restores alone; without --base it is the tiny shape with random weights.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCALE = 4


def settings(tile: int) -> dict[str, dict]:
    """Ways of cutting by name, as arguments of ``Tiles``."""
    never = {"latent": 10**5, "encoder": 10**5, "decoder": 10**5, "pixels": 10**5}
    return {
        "one piece": never,
        f"tiles of {tile}": {"latent": tile},
        f"tiles of {tile}, flat": {"latent": tile, "window": "flat"},
        f"tiles of {tile}, small VAE tiles": {"latent": tile, "encoder": 512, "decoder": tile},
        f"tiles of {tile}, small VAE tiles, global norms": {
            "latent": tile,
            "encoder": 512,
            "decoder": tile,
            "groupnorm_stats": "global",
        },
    }


def measure(args: argparse.Namespace) -> None:
    """One restoration; figures as the last line, the result as a file."""
    import resource
    import time

    import numpy as np
    import torch

    from models.sr.backbone import DiffusionBackbone
    from models.sr.enhancer import Enhancer, Tiles
    from models.sr.one_step import OneStepSR
    from records.images import read_image, to_tensor

    height, width = (side // SCALE for side in args.size)
    if args.picture:
        lr = to_tensor(read_image(args.picture))[None, :, :height, :width]
    else:
        draw = torch.Generator().manual_seed(0)
        layers = [
            torch.rand(1, 3, *(max(2, side // step) for side in (height, width)), generator=draw)
            for step in (48, 12, 3)
        ]
        lr = sum(torch.nn.functional.interpolate(layer, (height, width), mode="bicubic") for layer in layers)
        lr = (lr / len(layers)).clamp(0, 1)
    network = OneStepSR(DiffusionBackbone(args.base)).eval().merged()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    enhancer = Enhancer(network, tiles=Tiles(**json.loads(args.worker)))
    began = time.process_time()
    restored = enhancer.restore(lr, SCALE)
    seconds = time.process_time() - began
    assert restored.shape[-2:] == (lr.shape[-2] * SCALE, lr.shape[-1] * SCALE)
    np.save(args.result, restored[0].numpy())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"peak_gb": peak / 2**20, "before_gb": before / 2**20, "cpu_s": seconds, "used": enhancer.used}))


def main() -> None:
    """Print a table, and the same as JSON in the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(900, 1200), help="height and width of the result")
    parser.add_argument("--tile", type=int, default=64, help="latents")
    parser.add_argument("--base", help="diffusion base; left out, the tiny shape with random weights")
    parser.add_argument("--picture", help="low-resolution picture, of which the upper left corner is taken")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--result", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        sys.path.insert(0, str(ROOT))
        measure(args)
        return
    import numpy as np

    rows, whole = {}, None
    with tempfile.TemporaryDirectory() as folder:
        for name, tiles in settings(args.tile).items():
            result = Path(folder, "result.npy")
            words = [sys.executable, __file__, "--worker", json.dumps(tiles), "--result", str(result)]
            words += ["--size", *map(str, args.size)]
            for option in ("base", "picture"):
                words += [f"--{option}", getattr(args, option)] if getattr(args, option) else []
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            row, picture = json.loads(done.stdout.splitlines()[-1]), np.load(result)
            whole = picture if whole is None else whole
            error = np.abs(picture - whole)
            row |= {"mean_over_std": float(error.mean() / whole.std()), "max": float(error.max())}
            rows[name] = row
            print(
                f"{name:<48} {row['peak_gb']:5.2f} GB, {row['before_gb']:.2f} before; {row['cpu_s']:6.1f} CPU s; "
                f"differs by {100 * row['mean_over_std']:.2f} % of the deviation, {row['max']:.3f} at most",
                flush=True,
            )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
