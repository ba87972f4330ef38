"""Track 2 from end to end on the mini set: both stages, candidates, fusion, restored images, official score.

Every step by the command a user types; finished steps are not repeated. Printed are minutes, the figures of each system
on the test photographs with 95 % intervals over photographs, and the change of what should be better than what.
`python benchmarks/kwaisr.py [--root data/mini-kwaisr] [--runs runs] [--out restored]`
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXP = ROOT / "configs/exp/kwaisr"
BASELINES = ("bicubic", "lanczos", "realesrgan")
# Better, worse, figure, and whether less is better.
CLAIMS = (
    ("fused", "pixel", "l1", True),
    ("fused", "semantic", "l1", True),
    ("fused", "bicubic", "st_lpips", True),
    ("pixel", "bicubic", "psnr", False),
)


class Clock:
    """Seconds of each step, in order."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    def run(self, name: str, *words: object) -> None:
        """One command of the project, its output on ours."""
        began = time.perf_counter()
        subprocess.run([sys.executable, *map(str, words)], check=True)
        self.steps.append((name, time.perf_counter() - began))


def pipeline(data: Path, runs: Path, out: Path, clock: Clock) -> dict[str, Path]:
    """All commands; returns the folder of each system's restored test images."""
    train, common = ROOT / "train.py", ["--run.root", runs, "--wandb.mode", "disabled"]
    on_data = [*common, "--data.init_args.root", data]
    best = {name: runs / f"mini_{name}/base-seed0/checkpoints/best.ckpt" for name in ("pixel", "semantic", "nafusion")}
    begin = ["--model.init_args.init_from", best["pixel"]]
    made = [
        "--data.init_args.roots", f"[{runs / 'mini_semantic/base-seed0/candidates'}]", "--data.init_args.truth", data,
    ]  # fmt: skip
    every = ["--config", ROOT / "configs/trainer/candidates.yaml", "--data.init_args.predict_split", "all"]
    clock.run("prepare", "-m", "experiments", "prepare", "mini-kwaisr", "--root", data)
    clock.run("stage 1", train, "fit", "--config", EXP / "mini_pixel.yaml", *on_data)
    clock.run("stage 2", train, "fit", "--config", EXP / "mini_semantic.yaml", *on_data, *begin)
    clock.run("candidates", train, "predict", "--config", EXP / "mini_semantic.yaml", *every, *on_data, *begin)
    clock.run("fusion", train, "fit", "--config", EXP / "mini_nafusion.yaml", *common, *made)
    clock.run("fusion's test", train, "test", "--config", EXP / "mini_nafusion.yaml", *common, *made)
    ways: dict[str, list[object]] = {name: ["--baseline", name] for name in BASELINES}
    plain = ["--checkpoint", best["semantic"], "--colour", "none"]
    ways |= {"pixel": [*plain, "--sem", "0"], "semantic": plain, "fused": [*plain, "--fusion", best["nafusion"]]}
    for name, words in ways.items():
        for domain, folder, scale in (("synthetic", "synthetic/lr", 4), ("wild", "wild", 1)):
            # Real-ESRGAN enlarges by 4 only; wild images keep their size.
            way = ["--baseline", "bicubic"] if name == "realesrgan" and domain == "wild" else words
            files = [data / "test" / folder, "--scale", scale, "--out", out / name / domain]
            clock.run(f"enhance {name}", "-m", "experiments", "enhance", *files, *way)
    return {name: out / name for name in ways}


def scored(data: Path, folders: dict[str, Path], clock: Clock) -> dict[str, dict]:
    """Official figures of each system, by `score kwaisr`."""
    found = {}
    for name, folder in folders.items():
        file, table = folder / "score.json", folder / "images.csv"
        clock.run("score", "-m", "experiments", "score", "kwaisr", "--submission", folder, "--truth", data / "test",
                  "--json", file, "--csv", table)  # fmt: skip
        found[name] = json.loads(file.read_text(encoding="utf-8"))
    return found


def by_image(data: Path, folder: Path) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """L1, PSNR and ST-LPIPS of each synthetic test image, and the photograph it shows."""
    from losses.perceptual import STLPIPS
    from metrics.sr.full_reference import psnr
    from records.images import find_images, read_image, to_tensor

    distance, values, shows = STLPIPS(), {}, {}
    for path in find_images(data / "test/synthetic/hr"):
        ours, truth = read_image(folder / "synthetic" / path.name), read_image(path)
        pair = [to_tensor(picture)[None] for picture in (ours, truth)]
        values[path.stem] = {
            "l1": float((pair[0] - pair[1]).abs().mean()),
            "psnr": psnr(ours, truth),
            "st_lpips": float(distance(*pair)[0]),
        }
        shows[path.stem] = path.stem.rpartition("-")[0]
    return values, shows


def main() -> None:
    """Print the tables and, as the last line, the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data/mini-kwaisr"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("restored"))
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from metrics.mean_interval import mean_interval

    clock = Clock()
    folders = pipeline(args.root, args.runs, args.out, clock)
    official = scored(args.root, folders, clock)
    images = {name: by_image(args.root, folder) for name, folder in folders.items()}
    shows = images["bicubic"][1]
    names = sorted(shows)
    minutes: dict[str, float] = {}
    for step, seconds in clock.steps:
        minutes[step] = minutes.get(step, 0.0) + seconds / 60
    print(
        f"{sum(minutes.values()):.1f} minutes: " + ", ".join(f"{step} {value:.1f}" for step, value in minutes.items())
    )
    table, claims = {}, []
    for name, (values, _) in images.items():
        table[name] = {}
        for figure in ("psnr", "l1", "st_lpips"):
            row = [values[id][figure] for id in names]
            table[name][figure] = (sum(row) / len(row), mean_interval(row, [shows[id] for id in names]))
        told = ", ".join(
            f"{key} {mean:.4f} ({low:.4f} to {high:.4f})" for key, (mean, (low, high)) in table[name].items()
        )
        print(f"{name}: {told}; official PSNR {official[name]['psnr']:.3f}, SSIM {official[name]['ssim']:.4f}, "
              f"PIQE {official[name]['piqe']:.2f}")  # fmt: skip
    for better, worse, figure, falls in CLAIMS:
        change = [images[better][0][id][figure] - images[worse][0][id][figure] for id in names]
        low, high = mean_interval(change, [shows[id] for id in names]) or (float("nan"), float("nan"))
        mean = sum(change) / len(change)
        held = mean < 0 if falls else mean > 0
        claims.append({"better": better, "worse": worse, "figure": figure, "change": mean, "interval": [low, high]})
        print(f"{better} - {worse}, {figure}: {mean:+.5f} ({low:+.5f} to {high:+.5f}) {'holds' if held else 'FAILS'}")
    print(json.dumps({"minutes": minutes, "table": table, "official": official, "claims": claims}))


if __name__ == "__main__":
    main()
