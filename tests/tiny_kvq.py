"""A KVQ in miniature, made in a second: contents of seven versions each, scores that follow the damage done."""

import csv
import random
from pathlib import Path

import av
import numpy as np

VERSIONS = 7


def make_tiny_kvq(
    root: Path,
    contents: int = 4,
    *,
    val: int = 0,
    test: int = 0,
    test_scores: bool = True,
    width: int = 64,
    height: int = 48,
    frames: int = 6,
    broken: bool = False,
    zero_byte: bool = False,
    portrait: bool = False,
    seed: int = 0,
) -> Path:
    """Write videos and label files in KVQ's layout: ``train/0001.mp4`` and ``train.csv`` with filename,score.

    Args:
        root: Folder to fill.
        contents: Training contents, seven clips each.
        val: Validation contents; 0 writes no ``val.csv``.
        test: Test contents; 0 writes no ``test.csv``.
        test_scores: Leave the scores of ``test.csv`` empty when False.
        width: Frame width, pixels.
        height: Frame height, pixels.
        frames: Frames of each clip, 4 a second.
        broken: Cut the second training clip to half its bytes, so that its index is missing.
        zero_byte: Empty the third training clip.
        portrait: Encode the fourth training clip with width and height exchanged.
        seed: Seed of the pictures and of which version stands where: names must tell nothing about quality.

    Returns:
        ``root``.
    """
    for split, count in (("train", contents), ("val", val), ("test", test)):
        rows = []
        for content in range(count):
            generator = random.Random(f"{seed} {split} {content}")
            versions = generator.sample(range(VERSIONS), VERSIONS)
            for place, version in enumerate(versions):
                number = content * VERSIONS + place + 1
                size = (height, width) if portrait and split == "train" and number == 4 else (width, height)
                write_clip(root / split / f"{number:04d}.mp4", f"{seed} {split} {content}", version, *size, frames)
                rows.append((f"{split}/{number:04d}.mp4", 4.4 - 0.4 * version - 0.1 * (content % 5)))
        if rows:
            sealed = split == "test" and not test_scores
            write_rows(
                root / f"{split}.csv", ["filename", "score"], [(id, "" if sealed else f"{s:.4f}") for id, s in rows]
            )
    if broken:
        path = root / "train" / "0002.mp4"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if zero_byte:
        (root / "train" / "0003.mp4").write_bytes(b"")
    return root


def write_rows(path: Path, header: list[str], rows: list[tuple]) -> None:
    """Write one CSV file."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def write_clip(path: Path, content: str, version: int, width: int, height: int, frames: int) -> None:
    """Write one clip: a texture of ``content`` that drifts, in steps of grey that grow with ``version`` (0 is best)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(list(content.encode()))
    texture = generator.integers(0, 256, (height, width, 3)).astype(np.float32)
    for axis in (0, 1):
        texture = (texture + np.roll(texture, 1, axis) + np.roll(texture, 2, axis)) / 3
    step = 1 + 16 * version
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4, options={"crf": "12", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = width, height, "yuv420p", 1
        for index in range(frames):
            picture = np.roll(texture, index, axis=1) // step * step
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
