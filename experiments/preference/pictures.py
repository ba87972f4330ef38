"""Images that all systems have restored."""

import base64
import io
import random
from pathlib import Path

from records.errors import UserError
from records.hashing import seed_of
from records.images import UnreadableImage, find_images, read_image


def common_images(systems: dict[str, Path], given: Path | None, count: int, seed: int) -> dict[str, dict[str, Path]]:
    """Files by image and system, of images that every system has.

    Args:
        systems: Folder of each.
        given: Folder of what was restored; shown as ``input`` where it has the image.
        count: At most so many, chosen at random.
        seed: Seed of the choice.

    Raises:
        UserError: A folder is missing, or there is no image that all have.
    """
    found = {name: _by_id(folder) for name, folder in systems.items()}
    ids = sorted(set.intersection(*(set(files) for files in found.values())))
    if not ids:
        told = "; ".join(f"{name}: {len(files)} images" for name, files in found.items())
        raise UserError(f"no image is in all folders ({told})", where="--system", mend="names must be the same")
    if len(ids) > count:
        ids = sorted(random.Random(seed_of("study", seed)).sample(ids, count))
    inputs = _by_id(given) if given else {}
    chosen = {id: {name: files[id] for name, files in found.items()} for id in ids}
    for id, files in chosen.items():
        if id in inputs:
            files["input"] = inputs[id]
    return chosen


def _by_id(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UserError("no such folder", where=str(folder), mend="mend the path")
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in find_images(folder)}


def data_uri(path: Path, side: int) -> str:
    """An image as a data URI: WebP without loss at native size, smaller where a side is over ``side`` pixels."""
    from PIL import Image

    try:
        image = Image.fromarray(read_image(path))
    except UnreadableImage as error:
        raise UserError(str(error), where=str(path), mend="leave it out or make it anew") from None
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    held = io.BytesIO()
    # Lossy coding would add artefacts of its own to what is judged.
    image.save(held, "WEBP", lossless=True, method=4)
    return "data:image/webp;base64," + base64.b64encode(held.getvalue()).decode()
