"""The whole build: pictures by photograph and clip, then manifest and card; it goes on after a kill."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.build_folder import claim
from experiments.data_report.processes import each
from experiments.mini_kwaisr.sources import CLIPS, choose_photographs
from records.errors import UserError
from records.files import read_json, write_json

MANIFEST, CARD = "manifest.json", "README.md"
PARTS = ("pairs", "whole", "wild")
# Of the choice of windows and what is done to them; a folder of another one is not gone on with.
VERSION = 1
# Bytes of the finished set.
ROOM = 18 * 2**20


def build(
    root: Path,
    *,
    seed: int,
    jobs: int,
    photos: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> bool:
    """Make the data set, or what is missing of it.

    Args:
        root: Folder of the data set; new, empty, or begun by the same call.
        seed: Seed of the degradations.
        jobs: Processes.
        photos: Photographs and clips of each split, for a quick look; None for all.
        progress: Told how many photographs and clips are done, and of how many.

    Returns:
        Whether anything had to be done.

    Raises:
        UserError: The folder holds something else, a package is missing, or a picture cannot be made.
    """
    chosen = choose_photographs(photos)
    clips = {split: CLIPS[split][:photos] for split in chosen}
    names = [medium.name for media in chosen.values() for medium in media]
    recipe = {"data": "mini-kwaisr", "version": VERSION, "seed": seed, "photos": photos, "photographs": names}
    other = {"photographs": "other photographs: another set of packages is installed"}
    claim(root, recipe, "a mini-kwaisr", other, 0 if photos else ROOM)
    if is_complete(root):
        return False
    (root / MANIFEST).unlink(missing_ok=True)

    from experiments.mini_kwaisr.baseline import bicubic
    from experiments.mini_kwaisr.card import write_card
    from experiments.mini_kwaisr.pictures import SCALE, Made, Task, make, note_death

    tasks = [Task(root, split, medium, seed) for split, media in chosen.items() for medium in media]
    tasks += [Task(root, split, clip, seed) for split in chosen for clip in clips[split]]
    progress(0, len(tasks))
    results: list[Made] = []
    for made in each(make, [(task,) for task in tasks], jobs, note_death):
        if made.fault:
            raise UserError(made.fault, where=str(root), mend="run the same command again; it goes on from here")
        results.append(made)
        progress(len(results), len(tasks))
    manifest: dict[str, Any] = dict(recipe)
    for part in PARTS:
        manifest[part] = dict(sorted(item for made in results for item in getattr(made, part).items()))
    manifest["bicubic"] = bicubic(root, manifest["pairs"], SCALE)
    write_card(root / CARD, manifest)
    write_json(root / MANIFEST, manifest)
    return True


def is_complete(root: Path) -> bool:
    """Whether a folder was finished and every file still stands in its place."""
    if not (root / MANIFEST).is_file() or not (root / CARD).is_file():
        return False
    manifest = read_json(root / MANIFEST)
    files = [file for part in PARTS for file in manifest[part]] + [pair["hr"] for pair in manifest["pairs"].values()]
    return all((root / file).is_file() for file in files)
