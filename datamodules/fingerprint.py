"""What a video looks like in 8 kB: five small grey pictures, kept in a file so that nothing is decoded twice."""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm  # type: ignore[import-untyped]

from datamodules.loader import begin_worker
from datamodules.video.reader import VideoReader

FRAMES, SIDE = 5, 40
# Another way of making them needs another number, so that kept ones are not taken for new ones.
_VERSION = 1
_RECORD = np.dtype([("key", "S16"), ("looks", np.uint8, (FRAMES, SIDE, SIDE))])
_KEPT_AT_ONCE = 64


def look(path: Path) -> np.ndarray:
    """Fingerprint of a video: the middles of five equal parts of its duration as pictures of 40x40 grey levels.

    Returns:
        uint8 (5, 40, 40); zeros where the file cannot be read.
    """
    from PIL import Image

    looks = np.zeros((FRAMES, SIDE, SIDE), np.uint8)
    # One file of thousands: what is wrong with it is told where it is wanted, not where it is compared.
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with VideoReader(path) as reader:
            timeline = reader.timeline
            moments = [timeline.nearest((place + 0.5) / FRAMES * timeline.duration) for place in range(FRAMES)]
            wanted = sorted(set(moments))
            small: dict[int, np.ndarray] = {}
            for index, picture in zip(wanted, reader.pictures(wanted), strict=True):
                grey = Image.fromarray(picture.rgb()).convert("L")
                small[index] = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            looks = np.stack([small[index] for index in moments])
    return looks


def fingerprints(paths: Sequence[Path], cache: Path | None = None, workers: int = 0) -> np.ndarray:
    """Fingerprints of many videos.

    Args:
        paths: The files; one that cannot be read gets zeros.
        cache: File that keeps fingerprints by path, size and time of change; it grows as they are made, so a killed
            call loses few of them. One process at a time may write it.
        workers: Decoding processes; 0 decodes in this one.

    Returns:
        uint8 (paths, 5, 40, 40).
    """
    found = np.zeros((len(paths), FRAMES, SIDE, SIDE), np.uint8)
    keys = [_key(path) for path in paths]
    kept = _read(cache)
    row_of = {key: row for row, key in enumerate(kept["key"].tolist())}
    places: dict[bytes, list[int]] = {}
    for place, key in enumerate(keys):
        if key in row_of:
            found[place] = kept["looks"][row_of[key]]
        elif key:
            places.setdefault(key, []).append(place)
    fresh: list[tuple[bytes, np.ndarray]] = []
    looks = _looks([paths[rows[0]] for rows in places.values()], workers)
    bar = tqdm(zip(places.items(), looks, strict=True), "fingerprints", len(places), leave=False, disable=None)
    for (key, rows), made in bar:
        found[rows] = made
        fresh.append((key, made))
        if len(fresh) == _KEPT_AT_ONCE:
            _append(cache, fresh)
            fresh = []
    _append(cache, fresh)
    return found


class _Looks(Dataset):
    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return look(self.paths[index])


def _looks(paths: Sequence[Path], workers: int) -> Iterable[np.ndarray]:
    if not workers or len(paths) < _KEPT_AT_ONCE:
        return map(look, paths)
    return DataLoader(
        _Looks(paths), batch_size=None, num_workers=workers, collate_fn=_as_it_is, worker_init_fn=begin_worker
    )


def _as_it_is(item: Any) -> Any:
    return item


def _key(path: Path) -> bytes:
    """What the fingerprint of a file depends on; nothing for a file that is not there. It never ends in a zero byte."""
    try:
        facts = path.stat()
    except OSError:
        return b""
    text = f"{_VERSION}\x1f{path.absolute()}\x1f{facts.st_size}\x1f{facts.st_mtime_ns}"
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest().encode()


def _read(cache: Path | None) -> np.ndarray:
    # A killed writer may have left a torn record at the end.
    count = cache.stat().st_size // _RECORD.itemsize if cache is not None and cache.is_file() else 0
    return np.memmap(cache, _RECORD, "r", shape=(count,)) if cache is not None and count else np.zeros(0, _RECORD)


def _append(cache: Path | None, fresh: list[tuple[bytes, np.ndarray]]) -> None:
    if cache is None or not fresh:
        return
    cache.parent.mkdir(parents=True, exist_ok=True)
    with open(cache, "ab") as file:
        file.truncate(file.tell() // _RECORD.itemsize * _RECORD.itemsize)
        file.write(np.array(fresh, _RECORD).tobytes())
