"""What is drawn for each clip: the quantisers of its six encodings, and the order of the seven names."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from records.hashing import seed_of

# Quantisers of H.264, first and last of each step (E-VQA, Sun et al., CVPRW 2025).
BANDS = ((16, 23), (24, 31), (32, 35), (36, 39), (40, 43), (44, 47))
VERSIONS = 1 + len(BANDS)
FOLDER = "clips"


@dataclass(frozen=True)
class Content:
    """One source clip and what is made of it.

    Args:
        group: Name of the content.
        source: Path of the source clip below its folder.
        path: The source clip.
        names: Ids of the original and of its six encodings, from the least damaged to the most.
        quantisers: Quantiser of each encoding, in the same order.
    """

    group: str
    source: str
    path: Path
    names: tuple[str, ...]
    quantisers: tuple[int, ...]


def make_plan(folder: Path, paths: Sequence[Path], seed: int, limit: int | None) -> list[Content]:
    """Draw contents and versions.

    Args:
        folder: Folder of the source clips.
        paths: The clips in it.
        seed: Seed of all that is drawn; what is drawn for a clip also depends on its path below the folder alone.
        limit: Draw so many of the clips; None takes all.
    """
    clips = {path.relative_to(folder).as_posix(): path for path in paths}
    sources = sorted(clips)
    if limit is not None and limit < len(sources):
        sources = sorted(random.Random(seed_of(seed, "sources")).sample(sources, limit))
    digits = len(str(len(sources) * VERSIONS))
    contents = []
    for place, source in enumerate(sources):
        rng = random.Random(seed_of(seed, "ladder", source))
        numbers = rng.sample(range(place * VERSIONS + 1, (place + 1) * VERSIONS + 1), VERSIONS)
        names = tuple(f"{FOLDER}/{number:0{digits}d}.mp4" for number in numbers)
        quantisers = tuple(rng.randint(*band) for band in BANDS)
        contents.append(Content(f"ladder-{place + 1:0{digits}d}", source, clips[source], names, quantisers))
    return contents
