"""What becomes of one photograph or clip: its files, and what the manifest tells of them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.image.degradation import Degradation
from experiments.mini_kvq.codec import decode
from experiments.mini_kvq.sources import Medium
from experiments.mini_kwaisr.crops import Box, all_boxes, best_boxes
from experiments.mini_kwaisr.sources import WildClip
from records.images import read_image, write_image

SCALE = 4
# Sides of HR windows; held-out photographs give up to so many.
HELD_SIDE, MOST_HELD = 256, 4
TRAIN_SIDE, TRAIN_STEP = 320, 240
WILD_SIZE, MOST_WILD = (256, 320), 2


@dataclass(frozen=True)
class Task:
    """One photograph or clip.

    Args:
        root: Folder of the data set.
        split: ``train``, ``val`` or ``test``.
        source: The photograph, or the clip with its frames.
        seed: Seed of the degradations.
    """

    root: Path
    split: str
    source: Medium | WildClip
    seed: int


@dataclass
class Made:
    """What a task made.

    Args:
        pairs: Id of an LR picture to what the manifest tells of it and its HR.
        whole: The same of whole training photographs.
        wild: The same of real frames.
        fault: Why nothing was made, in one line.
    """

    pairs: dict[str, dict[str, Any]]
    whole: dict[str, dict[str, Any]]
    wild: dict[str, dict[str, Any]]
    fault: str | None = None


def make(task: Task) -> Made:
    """Write the files of a task that are missing."""
    made = Made({}, {}, {})
    try:
        if isinstance(task.source, WildClip):
            made.wild.update(_make_wild(task, task.source))
            return made
        picture = read_image(task.source.path)
        made.pairs.update(_make_pairs(task, task.source, picture))
        if task.split == "train":
            id = f"train/hr/{task.source.name}.png"
            _write(task.root / id, picture)
            made.whole[id] = _told(task.source)
    except Exception as error:  # whatever a decoder or a full disk says, with the name of the file
        made.fault = f"{_medium(task).name}: {' '.join(str(error).split())[:200] or type(error).__name__}"
    return made


def note_death(task: Task) -> Made:
    """What stands for a task whose process was ended from outside."""
    return Made({}, {}, {}, f"{_medium(task).name}: its process was ended from outside")


def _make_pairs(task: Task, medium: Medium, picture: np.ndarray) -> Iterator[tuple[str, dict[str, Any]]]:
    degradation = Degradation(preset="kwai", scale=SCALE)
    for number, box in enumerate(_choose(task.split, picture), start=1):
        name = f"{medium.name}-{number:02d}.png"
        id, hr_id = (f"{task.split}/synthetic/{kind}/{name}" for kind in ("lr", "hr"))
        plan = degradation.plan(task.seed, 0, id, (box.height, box.width))
        if not ((task.root / id).is_file() and (task.root / hr_id).is_file()):
            hr = np.ascontiguousarray(box.cut(picture))
            _write(task.root / hr_id, hr)
            _write(task.root / id, degradation.apply(plan, hr))
        yield id, {"hr": hr_id, **_told(medium), "box": asdict(box), "degradation": plan.record()}


def _choose(split: str, picture: np.ndarray) -> list[Box]:
    if split == "train":
        return all_boxes(picture, TRAIN_SIDE, TRAIN_STEP)
    return best_boxes(picture, (HELD_SIDE, HELD_SIDE), MOST_HELD)


def _make_wild(task: Task, clip: WildClip) -> Iterator[tuple[str, dict[str, Any]]]:
    for index, frame in enumerate(decode(clip.medium.path)):
        if index in clip.frames:
            for number, box in enumerate(best_boxes(frame, WILD_SIZE, MOST_WILD), start=1):
                id = f"{task.split}/wild/{clip.medium.name}-{index:03d}-{number}.png"
                _write(task.root / id, box.cut(frame))
                yield id, {**_told(clip.medium), "frame": index, "box": asdict(box)}


def _medium(task: Task) -> Medium:
    return task.source.medium if isinstance(task.source, WildClip) else task.source


def _told(medium: Medium) -> dict[str, Any]:
    return {"name": medium.name, "source": medium.source, "package": medium.package, "licence": medium.licence}


def _write(path: Path, picture: np.ndarray) -> None:
    if not path.is_file():
        write_image(path, picture)
