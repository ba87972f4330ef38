"""Runs at two thresholds of density, and clips whose tiles are known, without a fit."""

from pathlib import Path

import av
import numpy as np
import yaml

from records.files import write_json
from records.predictions import Prediction, write_predictions

# Eight tiles of 16 pixels; rich clips have structure in all of them, the others in the last one or in none.
SIZE, WIDTH, HEIGHT = 16, 64, 32
CLIPS = {"rich0": 8, "rich1": 8, "night0": 1, "night1": 0}
LABELS = {"rich0": 4.0, "rich1": 3.0, "night0": 2.0, "night1": 1.0}
# Of the two thresholds: what is said, and what seeds add to or take from it.
SAID = {0.0: {"rich0": 4.2, "rich1": 3.2, "night0": 2.1, "night1": 2.0},
        0.5: {"rich0": 4.2, "rich1": 3.2, "night0": 2.8, "night1": 2.0}}  # fmt: skip
STEPS = (-0.1, 0.0, 0.1)


def write_clip(path: Path, textured: int) -> None:
    """Grey, but for the last tiles, which are noise."""
    picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 1), np.uint8)
    for tile in range(8 - textured, 8):
        top, left = tile // 4 * SIZE, tile % 4 * SIZE
        picture[top : top + SIZE, left : left + SIZE] = noise[top : top + SIZE, left : left + SIZE]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = WIDTH, HEIGHT, "yuv420p", 1
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def view_of(threshold: float) -> dict:
    sampler = {"class_path": "datamodules.video.samplers.Uniform", "init_args": {"count": 1}}
    told = {"sampler": sampler, "tiles": 2, "size": SIZE, "threshold": threshold}
    return {"class_path": "datamodules.video.views.slices.DensitySlices", "init_args": told}


def write_run(place: Path, threshold: float, seed: int, view: dict | None = None, **summary: object) -> Path:
    folder = place / f"runs/cut/at-{threshold:g}-seed{seed}"
    rows = [
        Prediction(f"test/{name}.mp4", SAID[threshold][name] + STEPS[seed], LABELS[name], "label", f"of {name}", "test")
        for name in CLIPS
    ]
    folder.mkdir(parents=True)
    write_predictions(folder / "predictions.parquet", rows)
    data = {"root": "data", "views": {"seen": view or view_of(threshold), "dropped": None}}
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed_everything": seed, "data": {"init_args": data}}))
    write_json(folder / "summary.json", {"gmacs": 1.5, "test": {"score": 0.5}, "split_hash": "a", **summary})
    write_json(folder / "status.json", {"state": "finished"})
    return folder
