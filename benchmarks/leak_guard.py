"""How many planted copies the leak guard finds, attack by attack, and how many other clips it takes for copies.

    python benchmarks/leak_guard.py [--root data/mini-kvq] [--videos FOLDER ...]

Videos, of packages and of the given folders, are cut into windows of one second. Copies of each are planted: encoded
again at crf 35, at half the size, without a tenth on every side, mirrored, all of that at once; and without its start.
False alarms are counted on the neighbouring windows: every other window is guarded and those between are the pool,
then the other way round. The mini-KVQ adds what a platform does to an upload (seven versions) and other takes of the
same photograph. The last lines time the guard on made-up fingerprints of a large pool.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[1]
FRAMES, WINDOWS, LONGEST = 24, 8, 640
UPLOAD = 20


def windows(path: Path) -> Iterator[list[Image.Image]]:
    """Consecutive windows of a video, at most eight."""
    from datamodules.video.reader import VideoReader

    with VideoReader(path) as reader:
        count = min(len(reader.timeline) // FRAMES, WINDOWS) * FRAMES
        pictures = reader.pictures(range(count))
        while window := list(itertools.islice(pictures, FRAMES)):
            images = [Image.fromarray(picture.rgb()) for picture in window]
            share = min(1.0, LONGEST / max(images[0].size))
            yield [_sized(image, share) for image in images]


def _sized(image: Image.Image, share: float) -> Image.Image:
    width, height = (max(2, round(side * share) // 2 * 2) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _cropped(image: Image.Image) -> Image.Image:
    across, down = (round(side / 10) for side in image.size)
    return _sized(image.crop((across, down, image.width - across, image.height - down)), 1)


# What is done to each frame, the crf, and the first frame that is kept.
ATTACKS: dict[str, tuple[Callable[[Image.Image], Image.Image], int, int]] = {
    "crf 35": (lambda image: image, 35, 0),
    "scale 0.5": (lambda image: _sized(image, 0.5), UPLOAD, 0),
    "crop 10 % a side": (_cropped, UPLOAD, 0),
    "mirror": (ImageOps.mirror, UPLOAD, 0),
    "all four at once": (lambda image: ImageOps.mirror(_sized(_cropped(image), 0.5)), 35, 0),
    "a twelfth of the time cut off": (lambda image: image, UPLOAD, FRAMES // 12),
}


def write(images: list[Image.Image], path: Path, level: int) -> None:
    """Encode as H.264 at a crf."""
    from experiments.mini_kvq.codec import encode

    path.parent.mkdir(parents=True, exist_ok=True)
    encode([np.asarray(image) for image in images], path, "h264", level)


def plant(work: Path, videos: list[Path]) -> tuple[list[list[str]], list[str]]:
    """Write windows and their attacked copies below ``work``.

    Returns:
        Ids of the windows of each video, and of all windows; an attacked copy stands at ``<attack>/<id>``.
    """
    of_video = []
    for video in videos:
        ids = []
        try:
            for number, images in enumerate(windows(video)):
                ids.append(f"{video.stem}/{number}.mp4")
                write(images, work / ids[-1], UPLOAD)
                for attack, (change, level, first) in ATTACKS.items():
                    write([change(image) for image in images[first:]], work / attack / ids[-1], level)
        except Exception as error:  # a folder may hold anything
            print(f"left out: {video.name}: {error}", file=sys.stderr)
        of_video.append(ids)
    return of_video, list(itertools.chain(*of_video))


def planted_table(work: Path, of_video: list[list[str]], ids: list[str]) -> dict[str, float]:
    """Print recall by attack and false alarms on neighbours."""
    from datamodules.leak_guard import find_leaks

    figures = {}
    guarded = [(id, work / id) for id in ids]
    for attack in ATTACKS:
        pool = [(f"{attack}/{id}", work / attack / id) for id in ids]
        found = {leak.id for leak in find_leaks(pool, guarded) if leak.id == f"{attack}/{leak.guarded_id}"}
        figures[f"recall, {attack}"] = len(found) / len(ids)
        print(f"{attack:<34} planted {len(pool):>5}  found {len(found):>5}  recall {len(found) / len(pool):.3f}")
    alarms = 0
    for turn in (0, 1):
        even, odd = ([(id, work / id) for own in of_video for id in own[place::2]] for place in (turn, 1 - turn))
        leaks = find_leaks(odd, even)
        alarms += len(leaks)
        for leak in leaks:
            print(f"    {leak.id} taken for {leak.guarded_id}: {leak.reason}")
    figures["false alarms, neighbours"] = alarms / len(ids)
    print(f"{'neighbouring windows':<34} clips   {len(ids):>5}  alarms {alarms:>4}  share  {alarms / len(ids):.4f}")
    return figures


def mini_table(root: Path) -> dict[str, float]:
    """Print what the guard makes of the mini-KVQ: each content guarded by one of its versions."""
    from datamodules.leak_guard import find_leaks

    clips = json.loads((root / "manifest.json").read_text(encoding="utf-8"))["clips"]
    of_content: dict[str, list[str]] = {}
    for id, clip in clips.items():
        of_content.setdefault(clip["content"], []).append(id)
    guarded = [(own[0], root / own[0]) for own in of_content.values()]
    pool = [(id, root / id) for own in of_content.values() for id in own[1:]]
    leaks = find_leaks(pool, guarded)
    right = sum(clips[leak.id]["content"] == clips[leak.guarded_id]["content"] for leak in leaks)
    print(
        f"{'other versions in mini-KVQ':<34} clips   {len(pool):>5}  found {right:>5}  recall {right / len(pool):.3f}"
    )
    # Without their own content among the guarded ones, all that is found is wrong.
    names = list(of_content)
    alarms = total = 0
    for turn in (0, 1):
        held = [(id, root / id) for name in names[turn::2] for id in of_content[name]]
        others = [(id, root / id) for name in names[1 - turn :: 2] for id in of_content[name]]
        alarms, total = alarms + len(find_leaks(others, held)), total + len(others)
    print(f"{'other contents in mini-KVQ':<34} clips   {total:>5}  alarms {alarms:>4}  share  {alarms / total:.4f}")
    return {"recall, versions": right / len(pool), "false alarms, other contents": alarms / total}


def speed_table(work: Path, ids: list[str], pool: int = 30_000, guarded: int = 1_000) -> dict[str, float]:
    """Print processor time of decoding, and of comparing made-up fingerprints."""
    from datamodules.fingerprint import FRAMES, SIDE, fingerprints
    from datamodules.look_alike import look_alikes

    began = time.process_time()
    fingerprints([work / id for id in ids])
    decoding = (time.process_time() - began) / len(ids)
    noise = np.random.default_rng(0).integers(0, 256, (pool + guarded, FRAMES, 6, 6), np.uint8)
    looks = np.empty((len(noise), FRAMES, SIDE, SIDE), np.uint8)
    for place, frames in enumerate(noise):
        looks[place] = [Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for frame in frames]
    began = time.process_time()
    pairs = sum(len(first) for first, _, _ in look_alikes(looks[:pool], looks[pool:]))
    comparing = time.process_time() - began
    print(f"fingerprint {1e3 * decoding:.0f} ms a window; {pool} against {guarded}: {comparing:.0f} s, {pairs} alike")
    return {"fingerprint_ms": 1e3 * decoding, "comparing_s": comparing}


def main() -> None:
    """Print the tables and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("data/mini-kvq"), help="mini-KVQ, built where it is missing")
    parser.add_argument("--videos", type=Path, nargs="*", default=[], metavar="FOLDER", help="more real videos")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(ROOT))
    from datamodules.video_files import find_videos
    from experiments.mini_kvq.sources import MEDIA

    command = [sys.executable, "-m", "experiments", "prepare", "mini-kvq", "--root", str(args.root)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    videos = [medium.path for medium in MEDIA.values() if medium.kind == "video"]
    videos += find_videos(args.videos) if args.videos else []
    with tempfile.TemporaryDirectory() as folder:
        of_video, ids = plant(Path(folder), videos)
        print(f"{len(ids)} windows of {sum(map(bool, of_video))} videos")
        figures = planted_table(Path(folder), of_video, ids)
        figures |= mini_table(args.root)
        figures |= speed_table(Path(folder), ids)
    print(json.dumps({"windows": len(ids), **figures}))


if __name__ == "__main__":
    main()
